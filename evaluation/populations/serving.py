"""What a worker does: calls, one after another, and what came of each.

A call comes pickled from the scoring process, which runs nothing of a stranger's. What goes back is never a pickle: data in
MessagePack, of the type that the function's annotation says, or the text of an error.
"""

import faulthandler
import io
import os
import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, get_type_hints

import msgspec

from evaluation.populations import keeper, sandbox
from starting_kit.errors import DataWithheldError, InputError, RunError, SolutionError, SourceChangedError, WorkerDiedError
from starting_kit.loading import describe_error

STOP = b"stop"
# A message begins with one: models finished, a result, an error, the last that comes.
FINISHED, DONE, FAILED, LEFT = b"n", b"1", b"0", b"x"
ERRORS = {
    kind.__name__: kind
    for kind in (InputError, RunError, SolutionError, DataWithheldError, SourceChangedError, WorkerDiedError)
}
TRACE = "trace"  # the file in a worker's folder where it writes down where it is
EARLIER = 0.3  # seconds before its limit at which it does
MOST_TRACED = 10_000  # characters of a traceback
CUT_OFF = 74  # the exit code of a worker without a connection to the process that started it (EX_IOERR of sysexits.h)
HIGHEST_DESCRIPTOR = 2**16
LARGEST_FILE = 2**32  # bytes
PRINTED = "output.log"  # the file in a worker's folder where a solution's prints wait for the scoring process
GRACE = 0.5  # seconds for threads and processes that a run has told to end


class Confinement(NamedTuple):
    """What a worker may read and not read, once it is ready (`sandbox.restrict`).

    Attributes:
        readable: files and folders.
        hidden: what lies in these and is not to be read.
    """

    readable: tuple[Path, ...]
    hidden: tuple[Path, ...]


class Call(NamedTuple):
    """A job as it is sent to a worker.

    Attributes:
        function: of a module that the worker can import.
        arguments: its arguments.
        limit: seconds after which the worker is ended; None for never.
        path: of the solution that may run in it; None where none does.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    limit: float | None
    path: Path | None


_parent: Connection | None = None
_folder: Path | None = None
_sandbox = "none (no solution runs in this worker)"


def confinement() -> str:
    """In a worker: what confines it, such as "landlock 7 + seccomp", or "none" with a reason."""
    return _sandbox


def printed_file(folder: Path) -> Path:
    """Where prints of a solution go that belong in a file of a folder: in a worker first to its own, which it may write."""
    return (_folder or folder) / PRINTED


def stop_requested() -> bool:
    """In a worker: whether to save and return early."""
    return _parent is not None and _parent.poll()


def report_finished(models: int) -> None:
    """In a worker: that some models are finished."""
    if _parent is not None:
        _parent.send_bytes(FINISHED + str(models).encode())


def serve(control: Connection, parent: Connection, folder: Path, confined: Confinement | None = None) -> NoReturn:
    """In a new process: do what is asked for until nobody asks any more.

    Args:
        control: see `keeper.keep`.
        parent: gives calls, takes answers.
        folder: of the worker alone, for its temporary files.
        confined: how it is confined after the first call, which gets it ready; None where no solution runs in it.
    """
    global _parent, _folder
    keeper.keep(control, folder, parent)
    _parent, _folder, own = parent, folder, os.getpid()
    if keeper.HAS_KEEPERS:
        _close_all_but(parent.fileno())
    silence()
    os.environ["TMPDIR"] = str(folder)
    with suppress(EOFError, OSError), (folder / TRACE).open("w") as trace:
        faulthandler.enable(trace, all_threads=False)
        while True:
            message = parent.recv_bytes()
            if message == STOP:  # for a call that has ended by now
                continue
            answer, is_alone = _answer(message, trace)
            if os.getpid() != own:  # a run has forked, and this is the copy
                os._exit(0)
            if confined is not None:
                confine(folder, confined)
                confined = None
            parent.send_bytes(answer)
            if not is_alone:
                os._exit(0)
    os._exit(CUT_OFF)  # without taking libraries apart, for which a worker needs a second


def confine(folder: Path, confined: Confinement) -> None:
    """Confine this process, which must have one thread, for good; `confinement` says what came of it.

    Args:
        folder: of the process alone, which it may write.
        confined: what it may read.
    """
    global _sandbox
    os.environ["HOME"] = str(folder)
    try:
        _limit_resources()
        _sandbox = sandbox.restrict(confined.readable, [folder], confined.hidden)
    except sandbox.NoSandboxError as reason:
        _sandbox = f"none ({reason})"


def _limit_resources() -> None:
    """No core dumps, no file that fills a disk, and no more memory than there is: an exception is better than the system's."""
    if sys.platform == "win32":
        return
    import resource

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, LARGEST_FILE), (resource.RLIMIT_DATA, memory)):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def result_type(function: Callable[..., Any]) -> Any:
    """What the annotation of a job says that it gives; anything where it says nothing."""
    function = function.func if isinstance(function, partial) else function
    found = get_type_hints(function).get("return", Any)
    return None if found is type(None) else found


def encode(value: object) -> bytes:
    """Data as they are sent."""
    return msgspec.msgpack.encode(value, enc_hook=str)  # paths


def decode(content: bytes, kind: Any) -> Any:
    """Data that were sent, as a type.

    Raises:
        msgspec.MsgspecError: they are of another type.
    """
    return msgspec.msgpack.decode(content, type=kind, dec_hook=lambda kind, value: kind(value))


def _answer(message: bytes, trace: io.TextIOWrapper) -> tuple[bytes, bool]:
    """The message that says what came of a call, and whether nothing that it has started is left."""
    path, before = None, set(threading.enumerate())
    try:
        function, arguments, limit, path = pickle.loads(message)
        with _traced(trace, limit):
            answer = DONE + encode(function(*arguments))
    except BaseException as error:  # whatever a solution raises is its own failure
        answer = FAILED + encode(_described(error, path))
    if left := _left_running(before):
        return LEFT + encode(f"it left {left} running"), False
    return answer, True


def _described(error: BaseException, path: Path | None) -> tuple[str, str, str]:
    """The kind of an error, what it says, and its traceback."""
    trace = "".join(traceback.format_exception(error))[-MOST_TRACED:]
    if type(error).__name__ in ERRORS and isinstance(error, InputError | RunError):
        return type(error).__name__, str(error), trace
    if path is not None:
        return WorkerDiedError.__name__, describe_error(error, path), trace
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return RunError.__name__, f"{type(error).__name__}: {error} ({frame.filename}, line {frame.lineno})", trace


@contextmanager
def _traced(trace: io.TextIOWrapper, limit: float | None) -> Iterator[None]:
    """Write down where the call is, just before its time is up; this needs neither Python's lock nor its signals."""
    trace.truncate(0)
    trace.seek(0)
    if limit is not None:
        faulthandler.dump_traceback_later(max(0.1, limit - EARLIER), file=trace)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _left_running(before: set[threading.Thread]) -> str:
    """Threads and processes that a call has left, in words."""
    end = time.monotonic() + GRACE
    while True:
        threads = [thread for thread in threading.enumerate() if thread not in before and not _is_harmless(thread)]
        has_processes = keeper.HAS_KEEPERS and _has_children()
        if not (threads or has_processes) or time.monotonic() > end:
            break
        time.sleep(0.02)
    if has_processes:
        return "a process"
    return f"the thread {threads[0].name}" if threads else ""


def _has_children() -> bool:
    """Whether a child runs; those that have ended are forgotten."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return True
        except ChildProcessError:
            return False


def _is_harmless(thread: threading.Thread) -> bool:
    """Whether it is the one with which tqdm looks after its bars."""
    return type(thread).__module__.startswith("tqdm.")


def _close_all_but(kept: int) -> None:
    """Close what was inherited, but for a descriptor and the standard streams: the resource tracker's pipe is everybody's."""
    resource_tracker._resource_tracker._fd = None  # type: ignore[attr-defined]  # whoever needs one here starts another
    os.closerange(3, kept)
    os.closerange(kept + 1, HIGHEST_DESCRIPTOR)


def silence() -> None:
    """Lose what is written to the standard streams, past Python too, which would run across what the command says."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115  # for as long as the process lasts
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for as long as the process lasts
