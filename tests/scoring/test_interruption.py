"""Files that were damaged, and work that was interrupted: nothing is lost, and nothing changes."""

import json
import os
import shutil
import signal
import time

import numpy as np
import pytest

from conftest import all_gone, run_script, start_script
from evaluation.populations import shards
from evaluation.populations.population import Population
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
    runs = tmp_path / "runs"
    shutil.copytree(sixteen.runs, runs)
    (retrained,) = runs.glob("digits-v2/retrained-*/shard-00000.npz")
    (weights,) = runs.glob("digits-v2/original-*/weights-00000.npz")
    retrained.write_bytes(retrained.read_bytes()[:-100])
    weights.write_bytes(b"rubbish")
    arguments = (
        "--solution",
        "finetune",
        "--hyperparameters",
        "published",
        "--models",
        16,
        "--runs",
        runs,
        "--results",
        tmp_path,
    )
    run = run_script("score.py", *arguments)
    assert run.returncode == 0, run.stderr
    for path in (retrained, weights):
        assert f"{path} is damaged; its models are made again." in run.stderr.replace("\n", "")
    assert comparable(json.loads((tmp_path / "digits" / "finetune--published,n16.json").read_text())) == comparable(
        sixteen.card
    )


def wait_for_new_population(runs, before):
    """The folder that appears when the solution is about to run."""
    for _ in range(600):
        if new := set((runs / "digits-v2").iterdir()) - before:
            return new.pop()
        time.sleep(0.1)
    raise TimeoutError("no population was begun within a minute")


SLOW_SOLUTION = """
import time, torch
def unlearning(net, retain, forget, validation):
    time.sleep(0.5)
    with torch.no_grad():
        net[-1].bias += torch.randn(10)
"""


@pytest.mark.parametrize("signal_number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_interruption_keeps_what_was_finished(sixteen, write_solution, tmp_path, signal_number):
    path = write_solution(SLOW_SOLUTION, name=f"slow{signal_number}", whole=True)
    before = set((sixteen.runs / "digits-v2").iterdir())
    arguments = ("--solution", path, "--models", 16, "--runs", sixteen.runs, "--results", tmp_path, "--workers", 1)
    process = start(*arguments)
    folder = wait_for_new_population(sixteen.runs, before)
    time.sleep(2.5)
    if signal_number == signal.SIGINT:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    else:
        process.send_signal(signal_number)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 130
    assert log.strip().splitlines()[-1] == "Stopped. What was finished is kept; run the same command to go on."
    assert "Traceback" not in log
    kept = read_arrays(folder / "shard-00000.npz")["models"].tolist()
    assert kept == list(range(len(kept)))
    assert 0 < len(kept) < 16
    assert all_gone(process)


def test_a_solution_that_hangs_is_stopped_by_a_second_interrupt(sixteen, write_solution, tmp_path):
    began = tmp_path / "began"
    path = write_solution(f"open({str(began)!r}, 'w').close()\nwhile True: pass")
    process = start("--solution", path, "--models", 16, "--runs", sixteen.runs, "--results", tmp_path)
    while not began.exists():
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(2)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "press Ctrl-C again to stop at once" in log
    assert log.strip().splitlines()[-1] == "Stopped. What was finished is kept; run the same command to go on."
    assert "Traceback" not in log
    assert all_gone(process)


@pytest.mark.slow
def test_killed_three_times_gives_the_same_scorecard(tmp_path):
    """`kill -9` of the scoring process at random moments, then a rerun, against an uninterrupted run."""

    def arguments(name):
        common = ("--solution", "scl_improved", "--models", 40, "--json", tmp_path / f"{name}.json")
        return (*common, "--runs", tmp_path / name, "--results", tmp_path / "results")

    random = np.random.default_rng()
    for _ in range(3):
        process = start(*arguments("killed"))
        time.sleep(random.uniform(4, 25))
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
    with pytest.raises(RunError, match=r"shard-00000.npz was damaged or removed; run the same command"):
        Experiment({"retrained": population}, 3, "", 0.1).outputs()
    assert shards.missing_models(population, 34, print) == {0: list(range(32)), 1: [32, 33]}
