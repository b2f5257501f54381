"""A process that keeps another: when that ends, or is to end, nothing that it has started is left.

A run may fork, start a session of its own, or hang where no Python is executed. So on Linux a worker has a keeper, its parent,
which runs nothing of a stranger's. Whatever loses its parent below it becomes the keeper's own child (PR_SET_CHILD_SUBREAPER),
and is found. The keeper acts when the worker has ended, or when its control pipe closes: because the scoring process closed its
end, or is gone, however it went. It then ends as the worker did, by the same signal or with the same exit code.

Elsewhere a thread of the worker watches the pipe; what a run has started may stay.
"""

import ctypes
import os
import shutil
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import NoReturn

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # of prctl(2)
OFTEN = 0.05  # seconds between two looks at a worker whose end cannot be waited for
HAS_KEEPERS = sys.platform == "linux"


def keep(control: Connection, folder: Path, *of_worker: Connection) -> None:
    """Become the keeper, and go on in a new process, which is kept. Nothing else may run in this one.

    Args:
        control: the kept process is ended when its other end closes.
        folder: is removed in the end, if nobody else is there to do it.
        of_worker: connections of the kept process, which the keeper closes.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # the scoring process decides what they mean
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})  # see `workers.worker_environment`
    if not HAS_KEEPERS:
        threading.Thread(target=_end_with, args=(control,), daemon=True).start()
        return
    os.setsid()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    keeper, worker = os.getpid(), os.fork()
    if worker:
        for connection in of_worker:
            connection.close()
        _watch(worker, control, folder)
    control.close()
    os.setsid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:  # it was killed before it could be heard of
        os._exit(1)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)  # what a run leaves behind is then found among the worker's own children


def children(parent: int) -> list[int]:
    """Processes that a process has started, or taken over, and that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):  # another kind of entry, or a process that is gone by now
            state, its_parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(its_parent) == parent and state not in "ZX":
                found.append(int(entry.name))
    return found


def _watch(worker: int, control: Connection, folder: Path) -> NoReturn:
    def kill(number: int = 0, frame: FrameType | None = None) -> None:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)

    signal.signal(signal.SIGTERM, kill)  # by which `multiprocessing` ends what its owner has left
    ended, status, ends = 0, 0, _end_of(worker)
    while not ended:
        ready = wait([control, *ends], None if ends else OFTEN)
        if control in ready:
            kill()
        ended, status = os.waitpid(worker, 0 if ready else os.WNOHANG)
    _end_children()
    if wait([control], 0):  # else somebody is there, who reads what the worker has written down
        shutil.rmtree(folder, ignore_errors=True)
    _end_like(status)


def _end_of(process: int) -> list[int]:
    """A descriptor that can be waited for; none before Linux 5.3 and where the kernel is another program's."""
    try:
        return [os.pidfd_open(process)]
    except OSError:
        return []


def _end_children() -> None:
    """Kill all processes below this one: the children of one that is killed become its own."""
    while left := children(os.getpid()):
        for child in left:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _end_like(status: int) -> NoReturn:
    if os.WIFSIGNALED(status):
        with suppress(OSError, ValueError):  # that of SIGKILL cannot be changed
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _end_with(control: Connection) -> None:
    wait([control])
    os._exit(1)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")
