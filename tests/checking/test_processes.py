"""Jobs in processes of their own."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest

from evaluation.checking import processes
from evaluation.checking.processes import Broken, Job
from evaluation.populations.serving import Confinement
from starting_kit.errors import InputError, RunError

HERE = Path(__file__)


def job(function, *arguments, gives=str, limit=None):
    return Job(function, arguments, gives, limit, HERE)


def echo(text):
    return text


def fail(kind):
    raise kind("it failed.")


def leave(folder):
    """Start a child that outlives the job, unless it is ended with it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (folder / "pid").write_text(str(child.pid))
    return "left"


def wait_and_note(folder, name, seconds):
    (folder / f"{name}-began").touch()
    time.sleep(seconds)
    return "done"


def meet(folder, own, other):
    """Wait for a job that has to run at the same time."""
    (folder / own).touch()
    while not (folder / other).exists():
        time.sleep(0.01)
    return "met"


def set_variable():
    os.environ["SPOILT"] = "yes"
    return os.environ.get("OMP_NUM_THREADS", "")


def read_variable():
    return os.environ.get("SPOILT", "not spoilt")


def write_past_python():
    os.write(1, b"printed\n")
    os.write(2, b"printed\n")
    return "done"


def blocked_signals():
    return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))


def begin_an_answer():
    for descriptor in range(3, 100):
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, b"\0\0\xff\xffthe beginning")
    time.sleep(600)


def read_and_write(elsewhere, folder):
    found = []
    for place in (elsewhere, folder / "file"):
        try:
            found.append(place.read_text())
        except OSError as error:
            found.append(type(error).__name__)
    with tempfile.TemporaryFile() as own:
        own.write(b"x")
    return found


def of_another_type():
    return {"not": "a text"}


def test_results_come_in_order_whatever_their_size():
    texts = ["a", "b" * 2_000_000, "c"]
    assert list(processes.run([job(echo, text) for text in texts], 2)) == texts


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be made to wait here")
def test_no_signal_waits_that_a_solution_may_want_to_hear():
    assert list(processes.run([job(blocked_signals, gives=list[int])], 1)) == [[]]


def test_so_many_run_at_once(tmp_path):
    names = ("one", "two")
    assert list(processes.run([job(meet, tmp_path, *order) for order in (names, names[::-1])], 2)) == ["met", "met"]


def test_what_does_not_end_is_ended(tmp_path):
    (result,) = processes.run([job(wait_and_note, tmp_path, "long", 600.0, limit=1.0)], 1)
    assert result.hung
    assert result.reason.startswith("it was stopped after 1 seconds")


def test_nobody_waits_for_the_end_of_an_answer():
    (result,) = processes.run([job(begin_an_answer, limit=5.0)], 1)
    assert result.hung


def test_a_job_is_confined_once_it_is_ready(tmp_path):
    (tmp_path / "elsewhere").write_text("secret")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "file").write_text("its own")
    free = job(read_and_write, tmp_path / "elsewhere", tmp_path / "own", gives=list[str])
    get_ready = partial(shutil.copy, tmp_path / "elsewhere", tmp_path / "own" / "file")
    confined = free._replace(get_ready=get_ready, confined=Confinement((tmp_path / "own",), ()))
    assert next(processes.run([free], 1)) == ["secret", "its own"]
    (found,) = processes.run([confined], 1)
    if found[0] == "secret":
        pytest.skip("nothing confines processes here")
    assert found == ["PermissionError", "secret"]


def test_errors_are_told_apart():
    wrong, failed, other = processes.run([job(fail, kind) for kind in (InputError, RunError, ValueError)], 1)
    assert wrong == Broken("it failed", is_input=True)
    assert failed == Broken("it failed")
    assert "ValueError: it failed. (test_processes.py, line" in other.reason


def test_a_process_finds_nothing_of_another_and_has_one_thread():
    assert list(processes.run([job(set_variable), job(read_variable)], 1)) == ["1", "not spoilt"]


def test_what_is_written_past_python_is_lost(capfd):
    assert list(processes.run([job(write_past_python)], 1)) == ["done"]
    assert capfd.readouterr() == ("", "")


def is_alive(pid):
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().split()[2] not in "ZX"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_what_a_job_has_started_ends_with_it(tmp_path):
    assert list(processes.run([job(leave, tmp_path)], 1)) == ["left"]
    for _ in range(100):
        if not is_alive((tmp_path / "pid").read_text()):
            return
        time.sleep(0.1)
    pytest.fail("the child is alive")


def test_jobs_end_when_nobody_wants_the_others(tmp_path):
    """As when the user interrupts; no trace is left among temporary files."""
    results = processes.run([job(echo, "a"), job(wait_and_note, tmp_path, "long", 600.0)], 2)
    assert next(results) == "a"
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 300
