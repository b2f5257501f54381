"""What a confined process can do, and what it cannot; none of these tests loads PyTorch."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evaluation.populations import jobs
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.sandbox import NoSandboxError, restrict
from evaluation.populations.serving import Confinement, confinement

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not Path("/sys/kernel/security").exists(), reason="sandboxes are there on Linux only"
)


def outcome(attempt: Callable[[], object]) -> str:
    """How an attempt ends in a worker."""
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return "done"


def attempt(what: str, folder: Path, parent: int) -> str:
    library = ctypes.CDLL(None, use_errno=True)
    own = Path(tempfile.gettempdir())
    attempts: dict[str, Callable[[], object]] = {
        "read its own": lambda: (own / "file").write_text("x") and (own / "file").read_text(),
        "read the solution": (folder / "of_solution" / "mine.py").read_text,
        "read libraries": lambda: Path(os.__file__).read_text(),
        "touch": lambda: (own / "new").touch() or (own / "new").read_text(),
        "copy with modes": lambda: shutil.copy2(folder / "of_solution" / "mine.py", own),
        "start a process": lambda: subprocess.run(["true"], check=True),
        "start a thread": lambda: threading.Thread(target=int).start(),
        "signal itself": lambda: os.kill(os.getpid(), 0),
        "share memory": lambda: tempfile.TemporaryFile(dir="/dev/shm").close(),
        "read populations": (folder / "of_solution" / "runs" / "shard").read_text,
        "read elsewhere": (folder / "elsewhere").read_text,
        "write elsewhere": lambda: (folder / "new").touch(),
        "write the solution": lambda: (folder / "of_solution" / "mine.py").write_text("x"),
        "remove elsewhere": (folder / "elsewhere").unlink,
        "link elsewhere": lambda: (own / "link").hardlink_to(folder / "elsewhere"),
        "read by a way around": Path(f"/proc/self/root/{folder}/elsewhere").read_text,
        "read another's environment": Path(f"/proc/{parent}/environ").read_bytes,
        "read another's memory": Path(f"/proc/{parent}/mem").read_bytes,
        "signal the parent": lambda: os.kill(parent, 0),
        "open an internet socket": lambda: socket.socket(socket.AF_INET),
        "open another internet socket": lambda: socket.socket(socket.AF_INET6),
        "unshare": lambda: refused(library.unshare(0x10000000)),
        "ptrace": lambda: refused(library.ptrace(16, parent, 0, 0)),
        "be spared by the keeper's death": lambda: refused(library.prctl(1, 0, 0, 0, 0)),
        "io_uring": lambda: refused(library.syscall(425, 1, 0)),
        "bpf": lambda: refused(library.syscall(321, 0, 0, 0)),
        "keys": lambda: refused(library.syscall(250, 0, -3, 0)),
    }
    return outcome(attempts[what])


def refused(result: int) -> None:
    """Raise where a system call was refused."""
    if result < 0 and ctypes.get_errno() == 1:
        raise PermissionError


ALLOWED = (
    *("read its own", "read the solution", "read libraries", "touch", "copy with modes", "start a process", "start a thread"),
    *("signal itself", "share memory"),
)
FORBIDDEN = (
    *("read populations", "read elsewhere", "write elsewhere", "write the solution", "remove elsewhere", "link elsewhere"),
    *("read by a way around", "read another's environment", "read another's memory", "signal the parent"),
    *("open an internet socket", "open another internet socket", "unshare", "ptrace", "be spared by the keeper's death"),
    *("io_uring", "bpf", "keys"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("confined").resolve()
    (folder / "of_solution" / "runs").mkdir(parents=True)
    for name in ("of_solution/mine.py", "of_solution/runs/shard", "elsewhere"):
        (folder / name).write_text("secret")
    return folder


@pytest.fixture(scope="module")
def confined(folder: Path) -> Iterator[LocalProcesses]:
    """A worker for a solution beside which the populations lie."""
    of_solution = folder / "of_solution"
    tests = Path(__file__).parent
    with LocalProcesses(1, print, confined=Confinement((of_solution, tests), (of_solution / "runs",))) as workers:
        if workers.run(confinement).startswith("none"):
            pytest.skip(workers.run(confinement))
        yield workers


@pytest.mark.parametrize("what", ALLOWED)
def test_what_a_solution_needs_it_can_do(confined: LocalProcesses, folder: Path, what: str) -> None:
    assert confined.run(attempt, what, folder, os.getpid()) == "done"


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_would_hurt_or_cheat_it_cannot(confined: LocalProcesses, folder: Path, what: str) -> None:
    assert confined.run(attempt, what, folder, os.getpid()) in ("PermissionError", "OSError")
    assert (folder / "elsewhere").read_text() == (folder / "of_solution" / "mine.py").read_text() == "secret"


def test_modes_stay_as_they_were(confined: LocalProcesses, folder: Path) -> None:
    before = (folder / "elsewhere").stat().st_mode
    confined.run(os.chmod, folder / "elsewhere", 0)
    assert (folder / "elsewhere").stat().st_mode == before


def test_a_probe_says_what_was_reached(confined: LocalProcesses, folder: Path, tmp_path: Path) -> None:
    secret = folder / "elsewhere"
    found = confined.run(jobs.probe, secret, tmp_path, os.getpid())
    assert (found.sandbox.split()[0], found.reached) == ("landlock", [])
    with LocalProcesses(1, print) as others:
        found = others.run(jobs.probe, secret, tmp_path, os.getpid())
    assert found.sandbox == "none (no solution runs in this worker)"
    assert len(found.reached) == 4


def test_a_process_with_threads_cannot_be_confined() -> None:
    ended, before = threading.Event(), signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        with pytest.raises(NoSandboxError, match="other threads"):
            restrict([], [])
    finally:
        ended.set()
        thread.join()
    assert signal.getsignal(signal.SIGINT) is before  # it is as it was, and can still
    assert socket.socket(socket.AF_INET).close() is None
