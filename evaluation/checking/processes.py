"""Processes that run a stranger's code, one for each job, with a time limit; nothing that one does can spoil another.

Each is a fork of a server that has imported PyTorch (on Windows it is started from nothing), has a keeper, is confined as a
worker that runs solutions is, and is killed with all that it has started when its job is done
(`evaluation.populations.keeper`). What comes back is JSON.
"""

import faulthandler
import multiprocessing
import multiprocessing.connection
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from evaluation.populations.executors import nothing
from evaluation.populations.keeper import keep
from evaluation.populations.messages import Inbox
from evaluation.populations.serving import EARLIER, TRACE, Confinement, confine, silence
from evaluation.populations.workers import TO_END, ending, line_in, worker_environment
from starting_kit.errors import InputError, RunError
from starting_kit.loading import describe_error

PRELOADED = ["torch", "torchvision"]  # not the kit: a server may not know where that lies
DONE, FAILED = b"1", b"0"  # the first byte of an answer


class Job(NamedTuple):
    """A call in a process of its own.

    Attributes:
        function: gives an object of type `gives`.
        arguments: its arguments.
        gives: that type.
        limit: seconds that it may take; None for ever.
        path: the solution, of which a line is named where it hangs or crashes.
        get_ready: is called before, while nothing confines the process yet.
        confined: what the call may read; None for all that the user may.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    gives: Any
    limit: float | None
    path: Path
    get_ready: Callable[[], object] = nothing
    confined: Confinement | None = None


class Broken(NamedTuple):
    """A job without a result.

    Attributes:
        reason: half a sentence.
        hung: whether it was ended by its time limit.
        is_input: whether what the user gave is wrong.
    """

    reason: str
    hung: bool = False
    is_input: bool = False


class _Running:
    """A job under way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.folder = Path(tempfile.mkdtemp(prefix="check-"))
        self.answers, sending = _context().Pipe(duplex=False)
        kept, self.control = _context().Pipe(duplex=False)
        self.start = time.monotonic()
        self.process = _context().Process(target=_work, args=(job, self.start, sending, kept, self.folder))
        self.process.start()
        for connection in (sending, kept):
            connection.close()
        self._inbox = Inbox(self.answers)

    def left(self) -> float:
        """Seconds until its limit."""
        return float("inf") if self.job.limit is None else self.start + self.job.limit - time.monotonic()

    def hear(self) -> Any:
        """What the job gave, or why it gave nothing; None where that has not come whole."""
        try:
            self._inbox.read()
            answer = self._inbox.next()
            return None if answer is None else self._result(answer)
        except (EOFError, OSError):
            self.process.join(1)
            return Broken(f"{ending(self.process.exitcode)}{self._line()}")
        except (msgspec.MsgspecError, ValueError):
            return Broken(f"its process answered what is no answer{self._line()}")

    def time_is_up(self) -> Broken:
        """Why it gave nothing, where its time is up."""
        return Broken(f"it was stopped after {self.job.limit:.0f} seconds{self._line()}", hung=True)

    def end(self) -> None:
        """Kill the process and what it has started."""
        self.control.close()
        self.process.join(TO_END)
        self.process.kill()
        self.process.join()
        self.answers.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _result(self, answer: bytes) -> Any:
        if answer[:1] == DONE:
            return msgspec.json.decode(answer[1:], type=self.job.gives)
        return Broken(answer[2:].decode("utf-8", "replace"), is_input=answer[1:2] == b"2")

    def _line(self) -> str:
        """Where in the solution's own files it was, as it wrote down itself."""
        return line_in(self.folder / TRACE, self.job.path)


def run(jobs: Sequence[Job], at_once: int) -> Generator[Any, None, None]:
    """Run jobs, and give for each, in their order, what it gave, or a `Broken` that says why it did not.

    Args:
        jobs: what to run.
        at_once: how many at a time.
    """
    waiting, running, done = list(enumerate(jobs)), dict[int, _Running](), dict[int, Any]()
    try:
        for number in range(len(jobs)):
            while number not in done:
                while waiting and len(running) < at_once:
                    index, job = waiting.pop(0)
                    running[index] = _started(job)
                for index, result in _finished(running).items():
                    running.pop(index).end()
                    done[index] = result
            yield done.pop(number)
    finally:
        for left in running.values():
            left.end()


def _started(job: Job) -> _Running:
    with worker_environment():
        return _Running(job)


def _finished(running: dict[int, _Running]) -> dict[int, Any]:
    """What came of jobs that have an answer, have ended without one, or are over their time; waits a moment for the first."""
    patience = max(0.0, min(0.2, *(job.left() for job in running.values())))
    ready = multiprocessing.connection.wait([job.answers for job in running.values()], patience)
    results: dict[int, Any] = {}
    for index, job in running.items():
        if job.answers in ready and (result := job.hear()) is not None:
            results[index] = result
        elif job.left() <= 0:
            results[index] = job.time_is_up()
    return results


def _context() -> Any:
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload(PRELOADED)
    return context


def _work(job: Job, start: float, answers: Connection, control: Connection, folder: Path) -> None:
    """In the process: run a job, and send what it gave. The clock of its start is that of all processes."""
    keep(control, folder, answers)
    silence()
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None  # the server has looked for another
    file = (folder / TRACE).open("w")
    faulthandler.enable(file, all_threads=False)
    if job.limit is not None:
        faulthandler.dump_traceback_later(max(0.1, start + job.limit - EARLIER - time.monotonic()), file=file)
    try:
        job.get_ready()
        if job.confined is not None:
            confine(folder, job.confined)
        answer = DONE + msgspec.json.encode(job.function(*job.arguments))
    except (InputError, RunError) as error:
        answer = FAILED + (b"2" if isinstance(error, InputError) else b"1") + str(error).removesuffix(".").encode()
    except BaseException as error:
        answer = FAILED + b"1" + describe_error(error, job.path).encode()
    answers.send_bytes(answer)
    os._exit(0)  # without what a solution has registered, or left running
