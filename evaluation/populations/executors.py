"""Where runs happen: local worker processes of one thread each.

Workers run solutions, which may raise, hang, exit or be killed; nothing they do can take the results of others with it. A
worker writes its own files, so what passes between the processes is small: jobs, counts of finished models, errors.
"""

import atexit
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from types import ModuleType
from typing import TypeVar, TypeVarTuple

from starting_kit.errors import RunError

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class WorkerDiedError(RunError):
    """A worker process ended before its job did."""


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)  # of a user at a terminal, and of a scheduler

# Read by libraries when a worker starts. One thread: with a busy neighbour two are several times slower than one. Memory that
# is freed stays with the process: otherwise every step of a small network pays for fresh pages, some 30 % of its time.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**26),
}


_stop: Event | None = None
_finished: "SimpleQueue[int] | None" = None


def stop_requested() -> bool:
    """In a worker: whether to save and return early."""
    return _stop is not None and _stop.is_set()


def report_finished(models: int) -> None:
    """In a worker: that some models are finished."""
    if _finished is not None:
        _finished.put(models)


def _start_worker(stop: Event, finished: "SimpleQueue[int]", get_ready: Callable[[], object]) -> None:
    global _stop, _finished
    _stop, _finished = stop, finished
    ignore_stop_signals()
    threading.Thread(target=exit_with_parent, daemon=True).start()
    atexit.register(os._exit, 0)  # without taking libraries apart, for which a worker needs a second
    get_ready()


def ignore_stop_signals() -> None:
    """In a process that started in `worker_environment`: they reach every process, and the parent decides what they mean."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def exit_with_parent() -> None:
    """In a worker, in a thread of its own: end when the process that started it is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "workers are started by the scoring process"
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def nothing() -> None:
    """A job that is done at once."""


class LocalProcesses:
    """A pool of worker processes, as a context manager.

    Args:
        workers: how many; each starts when a job finds no idle one.
        notice: called with a sentence for the user.
        get_ready: the first thing that each does; it must not raise.
    """

    def __init__(self, workers: int, notice: Callable[[str], None], get_ready: Callable[[], object] = nothing) -> None:
        context = multiprocessing.get_context("spawn")
        self._size, self._notice = workers, notice
        self._stop = context.Event()
        self._finished: SimpleQueue[int] = context.SimpleQueue()
        self._workers: set[BaseProcess] = set()
        self._pool = ProcessPoolExecutor(workers, context, _start_worker, (self._stop, self._finished, get_ready))

    def __enter__(self) -> "LocalProcesses":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def start(self, workers: int) -> None:
        """Start some workers, or all that are left if they are fewer, before there is work for them."""
        self._submit(nothing, [()] * min(workers, self._size))

    def run(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Run one job and give its result; it raises what `run_all` raises."""
        return self.run_all(function, [arguments], lambda models: None)[0]

    def run_all(
        self,
        function: Callable[[*Arguments], Result],
        jobs: Sequence[tuple[*Arguments]],
        on_finished: Callable[[int], None],
    ) -> list[Result]:
        """Run a job per tuple of arguments and give their results in order.

        When a job fails, or the user interrupts, the jobs under way are asked to save and return; the others return at once.

        Args:
            function: importable by the workers.
            jobs: arguments, one tuple per job.
            on_finished: called with the number of models newly finished.

        Raises:
            WorkerDiedError: a worker died.
            KeyboardInterrupt: the user interrupted; what was finished is saved.
            Exception: the first that a job raised.
        """
        self._stop.clear()
        futures = self._submit(function, jobs)
        try:
            self._wait(futures, on_finished)
        except KeyboardInterrupt:
            self._notice("Stopping after the models under way; press Ctrl-C again to stop at once.")
            try:
                self._wind_down(futures, on_finished)
            except KeyboardInterrupt:
                self._kill()
            raise
        return [future.result() for future in futures]

    def _submit(self, function: Callable[[*Arguments], Result], jobs: Sequence[tuple[*Arguments]]) -> list[Future[Result]]:
        others = set(multiprocessing.active_children())
        with worker_environment():
            futures = [self._pool.submit(function, *job) for job in jobs]
        self._workers |= set(multiprocessing.active_children()) - others
        return futures

    def _wait(self, futures: list[Future[Result]], on_finished: Callable[[int], None]) -> None:
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
            self._drain(on_finished)
            error = next((e for future in done if (e := future.exception()) is not None), None)
            if isinstance(error, BrokenProcessPool):
                self._kill()  # the pool only asks them to terminate, which they do not hear
                raise WorkerDiedError(
                    "A worker process died: it ran out of memory, was killed, or the solution ended it; "
                    "what was finished is kept, run the same command to go on."
                ) from error
            if error is not None:
                self._wind_down(futures, on_finished)
                raise error

    def _wind_down(self, futures: list[Future[Result]], on_finished: Callable[[int], None]) -> None:
        # Nothing is cancelled: should a worker die, the pool would trip over a cancelled job, and say so in a traceback.
        self._stop.set()
        waiting = set(futures)
        while waiting:  # in short waits, so that a second Ctrl-C is heard
            _, waiting = wait(waiting, timeout=0.1)
        self._drain(on_finished)

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()

    def _drain(self, on_finished: Callable[[int], None]) -> None:
        while not self._finished.empty():
            on_finished(self._finished.get())


@contextmanager
def worker_environment() -> Iterator[None]:
    """What workers inherit when they start in it: variables, and signals to stop that wait, as they do for this process.

    They do not import the program that started them again, so a script that calls the library needs no
    `if __name__ == "__main__"`.
    """
    before, program = dict(os.environ), sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    os.environ.update(WORKER_ENVIRONMENT)
    try:
        with _stop_signals_wait():
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.modules["__main__"] = program


@contextmanager
def _stop_signals_wait() -> Iterator[None]:
    """Hear Ctrl-C and the signal to terminate afterwards; to ignore them for a while instead would lose them."""
    came: list[int] = []
    can_wait = hasattr(signal, "pthread_sigmask")
    if can_wait:
        resource_tracker.ensure_running()  # where that is started later, it unblocks them
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS) if can_wait else set()  # this is what workers inherit
    is_main = threading.current_thread() is threading.main_thread()  # whose handlers hear what reaches other threads
    heard = {number: signal.signal(number, lambda number, _: came.append(number)) for number in STOP_SIGNALS if is_main}
    try:
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
        if can_wait:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        if came:
            signal.raise_signal(came[0])
