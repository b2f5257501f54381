"""A worker as the scoring process sees it: a process that takes calls, and may end, hang, or answer rubbish."""

import os
import pickle
import re
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from evaluation.populations.messages import Inbox
from evaluation.populations.population import Population
from evaluation.populations.serving import (
    CUT_OFF,
    DONE,
    ERRORS,
    FAILED,
    FINISHED,
    LEFT,
    PRINTED,
    STOP,
    TRACE,
    Call,
    Confinement,
    decode,
    result_type,
    serve,
)
from starting_kit.errors import WorkerDiedError
from starting_kit.files import make_folder

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)  # of a user at a terminal, and of a scheduler

# Read by libraries when a worker starts. One thread: with a busy neighbour two are several times slower than one. Memory that
# is freed stays with the process: otherwise every step of a small network pays for fresh pages, some 30 % of its time.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",  # in the worker itself: others would outlive a run
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**26),
}
# How names of variables begin that workers inherit: where things are, how to compute. Others may be keys of services.
INHERITED = (
    *("PATH", "HOME", "USER", "LANG", "LC_", "TZ", "TMP", "TEMP", "XDG_", "LD_", "DYLD_", "SYSTEM", "WINDIR", "COMSPEC"),
    *("PYTHON", "VIRTUAL_ENV", "CONDA", "TORCH", "PYTORCH", "ATEN_", "ONEDNN_", "DNNL_", "CU", "NVIDIA_", "NCCL_", "HIP_"),
    *("OMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "VECLIB_", "NUMEXPR_", "MALLOC_", "COV"),
)
CALLED_FROM = re.compile(r'File "(.+)", line (\d+)')
MOST_READ = 100_000  # characters of a file in a worker's folder
TO_END = 5.0  # seconds that a keeper has to kill what is left


_one_at_a_time = threading.Lock()  # workers start in several threads, and what they inherit is the whole process's


class Worker:
    """A worker process, from its start to its end.

    Attributes:
        answers: the connection on which it answers.
        number: of the job that it has; None while it has none.
        is_ready: whether it has done the first call, which gets it ready.
        has_ended: whether it is no more.
    """

    def __init__(self, get_ready: Callable[[], object], confined: Confinement | None = None) -> None:
        context = get_context("spawn")
        self.folder = Path(tempfile.mkdtemp(prefix="worker-"))
        kept, self._control = context.Pipe(duplex=False)
        self.answers, its_end = context.Pipe()
        with worker_environment():
            self._process = context.Process(target=serve, args=(kept, its_end, self.folder, confined), daemon=True)
            self._process.start()
        for connection in (kept, its_end):
            connection.close()
        self._inbox = Inbox(self.answers)
        self.number: int | None = None
        self.is_ready = self.has_ended = False
        self._call = Call(get_ready, (), None, None)
        self._send(self._call)

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a call."""
        return self.is_ready and self.number is None

    @property
    def is_gone(self) -> bool:
        """Whether it has ended while it had nothing to do, or speaks unasked."""
        return self.is_idle and self.answers.poll()

    def begin(self, number: int, call: Call) -> None:
        """Have it do a job."""
        self.number, self._call, self._start = number, call, time.monotonic()
        self._send(call)

    def left(self) -> float:
        """Seconds until the time of its job is up."""
        is_limited = self.number is not None and self._call.limit is not None
        return self._start + (self._call.limit or 0) - time.monotonic() if is_limited else float("inf")

    def ask_to_stop(self) -> None:
        """Ask it to save and return early."""
        with suppress(OSError):
            self.answers.send_bytes(STOP)

    def hear(self, on_finished: Callable[[int], None]) -> Any:
        """What its job gave, or the error in its place; None where it has only said how far it is.

        Args:
            on_finished: called with the number of models newly finished.
        """
        try:
            self._inbox.read()
        except (EOFError, OSError):
            self._process.join(1)
            return self._died(ending(self._process.exitcode))
        try:
            while (message := self._inbox.next()) is not None:
                if message[:1] != FINISHED:
                    return self._outcome(message)
                on_finished(int(message[1:]))
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError):
            return self._died("its process answered what is no answer")
        return None

    def time_is_up(self) -> WorkerDiedError:
        """End it because its job takes too long."""
        return self._died(f"it was stopped after {self._call.limit:.0f} seconds")

    def end(self) -> None:
        """End the process, and all that it has started."""
        self.has_ended = True
        self._control.close()
        self._process.join(TO_END)
        self._process.kill()  # where there is no keeper, or a machine that is much too busy
        self._process.join()
        self.answers.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _send(self, call: Call) -> None:
        with suppress(OSError):  # it has ended by now, which is heard
            self.answers.send_bytes(pickle.dumps(call))

    def _keep_printed(self) -> None:
        """Add what a solution has printed to the log of the population that it ran for."""
        text, population = _text_of(self.folder / PRINTED), next(iter(self._call.arguments), None)
        if text and isinstance(population, Population):
            (self.folder / PRINTED).unlink(missing_ok=True)
            make_folder(population.folder)
            with (population.folder / PRINTED).open("a", encoding="utf-8") as log:
                log.write(text)

    def _outcome(self, message: bytes) -> Any:
        if message[:1] == LEFT:
            return self._died(decode(message[1:], str), has_line=False)
        if message[:1] == DONE:
            outcome: Any = Done(decode(message[1:], result_type(self._call.function)))
        elif message[:1] == FAILED:
            kind, said, trace = decode(message[1:], tuple[str, str, str])
            outcome = ERRORS[kind](said)
            outcome.add_note(f"In the worker:\n{trace}")  # for --debug
        else:
            raise ValueError(message[:1])
        self.is_ready, self.number = True, None
        self._keep_printed()
        if not isinstance(outcome, Done) and self._call.path is not None:
            self.end()  # who knows what a run has done before it failed
        return outcome

    def _died(self, how: str, has_line: bool = True) -> WorkerDiedError:
        line = line_in(self.folder / TRACE, self._call.path) if has_line else ""
        self._keep_printed()
        self.end()
        return WorkerDiedError(f"{how}{line}")


class Done:
    """A result, which may be None."""

    def __init__(self, result: Any) -> None:
        self.result = result


def ending(code: int | None) -> str:
    """How a process ended, in half a sentence, from its exit code; None where it goes on."""
    if code in (None, CUT_OFF):
        return "it closed its connection to the process that started it"
    if code < 0:
        return f"its process was ended by the signal {signal.Signals(-code).name}"
    return f"it ended its process, with exit code {code}"


def line_in(trace: Path, solution: Path | None) -> str:
    """Where in a solution's own files a process was, as it wrote down itself; empty where that is not known."""
    if solution is not None:
        for file, line in CALLED_FROM.findall(_text_of(trace)):
            if Path(file) == solution or Path(file).is_relative_to(solution.parent):
                return f" ({Path(file).name}, line {line})"
    return ""


def _text_of(path: Path) -> str:
    """The beginning of a file that a stranger may have put there: empty unless it is one, and no link or pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return ""
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        return file.read(MOST_READ) if stat.S_ISREG(os.fstat(descriptor).st_mode) else ""


@contextmanager
def worker_environment() -> Iterator[None]:
    """What workers inherit when they start in it: variables, and signals to stop that wait, as they do for this process.

    They do not import the program that started them again, so a script that calls the library needs no
    `if __name__ == "__main__"`.
    """
    with _one_at_a_time, _other_environment(), _stop_signals_wait():
        yield


@contextmanager
def _other_environment() -> Iterator[None]:
    before, program = dict(os.environ), sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    for name in before:
        if not name.upper().startswith(INHERITED):
            del os.environ[name]
    os.environ.update(WORKER_ENVIRONMENT)
    try:
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
