"""Files that were damaged, and work that was interrupted: nothing is lost, and nothing changes."""

import json
import os
import re
import shutil
import signal
import time

import numpy as np
import pytest

from conftest import all_gone, run_script, start_script
from evaluation.metric.measured import Measured
from evaluation.populations import shards
from evaluation.populations.population import Population
from evaluation.scoring.cost import Cost
from evaluation.scoring.experiment import Experiment
from evaluation.scoring.scorecard import EXEMPT
from starting_kit import tasks
from starting_kit.errors import RunError
from starting_kit.files import read_arrays

TASK = tasks.find("digits")


def comparable(card):
    return {name: value for name, value in card.items() if name not in EXEMPT}


def start(*arguments):
    return start_script("score.py", *arguments)


@pytest.mark.slow
def test_damaged_files_are_reported_and_made_again(sixteen, tmp_path):
    runs = shutil.copytree(sixteen.runs, tmp_path / "runs")
    (retrained,) = runs.glob("digits-v2/retrained-*/shard-00000.npz")
    (weights,) = runs.glob("digits-v2/original-*/weights-00000.npz")
    retrained.write_bytes(retrained.read_bytes()[:-100])
    weights.write_bytes(b"rubbish")
    run = run_script("score.py", *command("finetune", runs, tmp_path), "--hyperparameters", "published")
    assert run.returncode == 0, run.stderr
    for path in (retrained, weights):
        assert f"{path} is damaged; its models are made again." in run.stderr.replace("\n", "")
    assert comparable(json.loads((tmp_path / "digits" / "finetune--published,n16.json").read_text())) == comparable(
        sixteen.card
    )


SLOW_SOLUTION = """
import time, torch
def unlearning(net, retain, forget, validation):
    time.sleep(0.5)
    with torch.no_grad():
        net[-1].bias += torch.randn(10)
"""
STOPPED = "Stopped. What was finished is kept; run the same command to go on."


@pytest.fixture
def runs(sixteen, tmp_path):
    """A folder with the trained populations that are there."""
    return shutil.copytree(sixteen.runs, tmp_path / "runs", ignore=shutil.ignore_patterns("unlearned-*"))


def command(path, runs, results):
    return "--solution", path, "--models", 16, "--runs", runs, "--results", results, "--workers", 1


@pytest.fixture(scope="module")
def uninterrupted(sixteen, tmp_path_factory):
    """The scorecard of the slow solution."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    (folder / "slow.py").write_text(SLOW_SOLUTION)
    run = run_script("score.py", *command(folder / "slow.py", sixteen.runs, folder))
    assert run.returncode == 0, run.stderr
    return json.loads((folder / "digits" / "slow--n16.json").read_text())


def wait_for(process, find):
    """What is found as soon as it is there, while a process runs."""
    for _ in range(1200):
        if found := find():
            return found
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    raise TimeoutError("nothing was found within two minutes")


def end_of(process, timeout=120):
    """What a process that was told to stop has said; it says nothing that only its authors understand."""
    _, log = process.communicate(timeout=timeout)
    for of_python in ("Traceback", "Exception in thread", "InvalidStateError"):
        assert of_python not in log
    return log


WHOLE_GROUP, PARENT = os.killpg, os.kill


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "send"),
    [
        (signal.SIGINT, WHOLE_GROUP),  # as a terminal does
        (signal.SIGTERM, WHOLE_GROUP),  # as a scheduler does
        (signal.SIGINT, PARENT),
        (signal.SIGTERM, PARENT),
    ],
    ids=["Ctrl-C", "terminate", "interrupt the parent", "terminate the parent"],
)
def test_interruption_keeps_what_was_finished(uninterrupted, runs, write_solution, tmp_path, number, send):
    arguments = command(write_solution(SLOW_SOLUTION, name="slow", whole=True), runs, tmp_path)
    process = start(*arguments)
    folder = wait_for(process, lambda: next(runs.glob("digits-v2/unlearned-*"), None))
    time.sleep(2.5)
    send(process.pid, number)
    log = end_of(process)
    assert process.returncode == 130
    assert log.strip().splitlines()[-1] == STOPPED
    kept = read_arrays(folder / "shard-00000.npz")["models"].tolist()
    assert kept == list(range(len(kept)))
    assert 0 < len(kept) < 16
    assert all_gone(process)
    again = run_script("score.py", *arguments)
    assert again.returncode == 0, again.stderr
    assert f"16 models ({16 - len(kept)} made in" in again.stderr
    assert comparable(json.loads((tmp_path / "digits" / "slow--n16.json").read_text())) == comparable(uninterrupted)


# In a solution: what it writes, it writes to its worker's own folder, which is all that it may write.
WRITES = "import os, pathlib, tempfile; pathlib.Path(tempfile.gettempdir(), {!r}).write_text(str(os.getpid()))"


@pytest.fixture
def of_workers(tmp_path, monkeypatch):
    """Find the files of a name that solutions have written in the folders of workers that are there."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return lambda name: list(tmp_path.glob(f"worker-*/**/{name}"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_solution_that_hangs_is_stopped_by_an_interrupt(sixteen, write_solution, tmp_path, of_workers, number):
    path = write_solution(f"{WRITES.format('began')}\nwhile True: pass")
    process = start("--solution", path, "--models", 16, "--runs", sixteen.runs, "--results", tmp_path)
    wait_for(process, lambda: of_workers("began"))
    os.killpg(process.pid, number)
    log = end_of(process, timeout=60)
    assert process.returncode == 130
    assert "Stopping within 3 seconds; press Ctrl-C again to stop at once." in log
    assert log.strip().splitlines()[-1] == STOPPED
    assert all_gone(process)


# Each model is a job of its own, and the others wait for their turn.
QUEUED_SOLUTION = f"""
import os, time, torch
LOCKSTEP = False
def unlearning(net, retain, forget, validation):
    {WRITES.format("pid")}
    time.sleep(0.3)
    with torch.no_grad():
        net[-1].bias += torch.randn(10)
"""


@pytest.mark.slow
@pytest.mark.parametrize("interrupted", [False, True], ids=["at work", "when it was told to stop"])
def test_a_worker_that_is_killed_takes_no_results_with_it(runs, write_solution, tmp_path, of_workers, interrupted):
    arguments = command(write_solution(QUEUED_SOLUTION, name="queued", whole=True), runs, tmp_path)
    process = start(*arguments)
    folder = wait_for(process, lambda: next(runs.glob("digits-v2/unlearned-*"), None))
    wait_for(process, (folder / "shard-00000.npz").exists)
    (pid,) = wait_for(process, lambda: of_workers("pid"))
    worker = int(pid.read_text())
    if interrupted:
        os.killpg(process.pid, signal.SIGINT)
    os.kill(worker, signal.SIGKILL)
    last = end_of(process).strip().splitlines()[-1]
    if interrupted:
        assert (process.returncode, last) == (130, STOPPED)
    else:
        assert process.returncode == 1
        assert re.match(r"error: queued failed on model \d+: its process was ended by the signal SIGKILL", last)
    assert all_gone(process)
    before = len(list(folder.glob("shard-*")))
    assert 0 < before < 16
    again = run_script("score.py", *arguments)
    assert again.returncode == 0, again.stderr
    assert f"16 models ({16 - before} made in" in again.stderr


@pytest.mark.slow
def test_killed_three_times_gives_the_same_scorecard(tmp_path):
    """`kill -9` of the scoring process at random moments, then a rerun, against an uninterrupted run."""

    def arguments(name):
        common = ("--solution", "finetune", "--models", 36, "--epochs", 5, "--json", tmp_path / f"{name}.json")
        return (*common, "--runs", tmp_path / name, "--results", tmp_path / "results")

    random = np.random.default_rng()
    for _ in range(3):
        process = start(*arguments("killed"))
        time.sleep(random.uniform(4, 20))
        process.kill()
        process.communicate()
        assert all_gone(process)
    for name in ("killed", "whole"):
        run = run_script("score.py", *arguments(name))
        assert run.returncode == 0, run.stderr
    killed, whole = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("killed", "whole"))
    assert json.dumps(comparable(killed)) == json.dumps(comparable(whole))


@pytest.mark.slow
def test_two_processes_share_the_work(sixteen, write_solution, tmp_path):
    path = write_solution(SLOW_SOLUTION.replace("0.5", "0.2"), name="shared", whole=True)
    arguments = ("--solution", path, "--models", 16, "--runs", sixteen.runs, "--workers", 1)
    both = [start(*arguments, "--results", tmp_path / str(i), "--json", tmp_path / f"{i}.json") for i in range(2)]
    logs = [process.communicate(timeout=600)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], logs
    first, second = (json.loads((tmp_path / f"{i}.json").read_text()) for i in range(2))
    assert comparable(first) == comparable(second)


def test_a_shard_damaged_after_it_was_made_is_said(tmp_path):
    population = Population(TASK, "retrained", 0, tmp_path, TASK.engine)
    unknown = Cost(0.1, Measured(reason="not timed"), 0, Measured(reason="not counted"))
    with pytest.raises(RunError, match=r"shard-00000.npz was damaged or removed; run the same command"):
        Experiment({"retrained": population}, {"retrained": 3}, "", unknown).outputs()
    assert shards.missing_models(population, 34, print) == {0: list(range(32)), 1: [32, 33]}
