"""Tuning, mostly as a user does it: with the command, on a solution of their own."""

import json
import os
import signal
import textwrap
import time

import optuna
import pytest

from conftest import run_script, start_script
from evaluation.scoring import tuned
from evaluation.scoring.scorecard import COST_LIMIT
from evaluation.tuning import trials
from starting_kit import tasks

TASK = tasks.find("digits")

# One value of `rate` repairs the network, most destroy it, and some do not work at all.
TUNABLE = """
import torch

SEARCH_SPACE = {"rate": (0.0, 1.0), "steps": (1, 200, "log"), "how": ["noise", "nothing"]}


def unlearning(net, retain_loader, forget_loader, val_loader, *, rate=0.9, steps=1, how="noise"):
    if how == "nothing":
        raise ValueError("nothing was done")
    for weight in net.parameters():
        weight.data += rate * weight.data.std() * torch.randn_like(weight)
    for _ in range(steps):
        next(iter(retain_loader))
"""


@pytest.fixture
def tunable(write_solution):
    return write_solution(TUNABLE, whole=True)


def tune(path, runs, *arguments):
    return run_script("tune.py", "--solution", path, "--models", 48, "--runs", runs, *arguments)


@pytest.fixture(scope="module")
def tuning(tmp_path_factory):
    """A solution that was tuned with 5 trials, and once before."""
    folder = tmp_path_factory.mktemp("tuning")
    path = folder / "mine.py"
    path.write_text(TUNABLE)
    tuned.write(
        path, TASK, tuned.Entry(task_version=TASK.version, values={"rate": 0.7, "steps": 0, "how": "nothing", "gone": 1})
    )
    finished = tune(path, folder / "runs", "--trials", 5)
    assert finished.returncode == 0, finished.stderr
    return path, folder / "runs", finished


def made(runs):
    """The unlearned models that are kept."""
    return sorted((runs / "tuning" / "digits-v2").glob("unlearned-*/shard-*"))


def study_of(runs):
    (file,) = (runs / "tuning" / "digits-v2").glob("study-mine-*.db")
    return optuna.load_study(study_name=None, storage=f"sqlite:///{file}")


@pytest.mark.slow
def test_the_best_values_are_kept_beside_the_solution(tuning):
    path, _, finished = tuning
    entry = json.loads((path.parent / "tuned" / "digits.json").read_text())["mine"]
    assert entry["task_version"] == TASK.version
    assert (entry["models"], entry["trials"]) == (96, 5)
    assert 1 <= entry["judged_again"] <= 5
    assert f"optimism of the search: {entry['optimism']:.4f}" in finished.stdout
    assert set(entry["values"]) == {"rate", "steps", "how"}
    assert entry["values"]["how"] == "noise"
    assert 0 < entry["score"] < 1
    assert 0 < entry["cost"] <= COST_LIMIT
    assert f"rate = {entry['values']['rate']}" in finished.stdout
    assert "the best so far: rate 0.9, steps 1, how noise" in finished.stderr
    assert str(path.parent / "tuned" / "digits.json") in finished.stdout


@pytest.mark.slow
def test_the_published_values_are_tried_first_then_those_tuned_before_and_failures_are_trials(tuning):
    _, runs, finished = tuning
    first, *others = study_of(runs).trials
    assert first.params == {"rate": 0.9, "steps": 1, "how": "noise"}
    assert others[0].params == {"rate": 0.7, "steps": 1, "how": "nothing"}
    assert len(others) == 4
    failed = [trial for trial in others if trial.params["how"] == "nothing"]
    assert failed
    assert all((trial.user_attrs["score"], trial.user_attrs["models"]) == (0, 0) for trial in failed)
    assert "failed: ValueError: nothing was done (mine.py, line 9" in finished.stderr


@pytest.mark.slow
def test_the_same_command_again_only_compares_the_best_again(tuning):
    path, runs, before = tuning
    again = tune(path, runs, "--trials", 5)
    assert again.returncode == 0, again.stderr
    assert len(study_of(runs).trials) == 5
    values = [line for line in before.stdout.splitlines() if " = " in line]
    assert [line for line in again.stdout.splitlines() if " = " in line] == values


@pytest.mark.slow
def test_where_no_values_are_left_tuning_ends_in_a_sentence(tuning, write_solution):
    body = """
    import torch

    SEARCH_SPACE = {"rate": [0.9, 0.8]}

    def unlearning(net, retain_loader, forget_loader, val_loader, *, rate=0.9):
        for weight in net.parameters():
            weight.data += rate * weight.data.std() * torch.randn_like(weight)
    """
    run = tune(write_solution(textwrap.dedent(body), name="twice", whole=True), tuning[1], "--trials", 5)
    assert run.returncode == 0, run.stderr
    said = " ".join(run.stderr.split())
    assert "All 2 values of the search space were tried: tuning ends after 2 trials." in said
    assert made(tuning[1]) == []


@pytest.mark.slow
def test_scoring_takes_the_tuned_values_unless_told_otherwise(tuning, tmp_path):
    path, _, _ = tuning
    values = json.loads((path.parent / "tuned" / "digits.json").read_text())["mine"]["values"]

    def score(*arguments):
        folders = ("--runs", tmp_path / "runs", "--results", tmp_path / "results")
        run = run_script("score.py", "--solution", path, "--models", 3, *folders, *arguments)
        assert run.returncode == 0, run.stderr

    def hyperparameters(name):
        return json.loads((tmp_path / "results" / "digits" / name).read_text())["hyperparameters"]

    score()
    score("--hyperparameters", "published")
    score("--set", "rate=0.5")
    assert hyperparameters("mine--n3.json") == {"source": "tuned", "values": values}
    assert hyperparameters("mine--published,n3.json") == {
        "source": "author",
        "values": {"rate": 0.9, "steps": 1, "how": "noise"},
    }
    by_user = {"source": "set", "values": {**values, "rate": 0.5}, "set": ["rate"], "others": "tuned"}
    assert hyperparameters("mine--rate=0.5,n3.json") == by_user


@pytest.mark.slow
def test_tuning_and_scoring_share_no_model(tuning):
    _, runs, _ = tuning
    populations = [json.loads(file.read_text()) for file in runs.glob("tuning/digits-v2/*/population.json")]
    assert {population["kind"] for population in populations} == {"original", "retrained"}
    assert {population["master_seed"] for population in populations} == {trials.SEED, trials.SEED_AGAIN}
    assert not list(runs.glob("digits-v2/*"))


@pytest.mark.slow
def test_hopeless_and_dear_trials_end_early(tuning):
    _, runs, _ = tuning
    best = 0.0
    for trial in study_of(runs).trials:
        score, cost, models = (trial.user_attrs[name] for name in ("score", "cost", "models"))
        if models == 48:
            assert cost <= trials.HIGHEST_COST
            best = max(best, score)
        elif models == 12:
            assert cost > trials.HIGHEST_COST or score < 0.2 * best
    assert best > 0


@pytest.mark.slow
def test_what_costs_too_much_is_not_made(tuning, write_solution):
    dear = (
        'SEARCH_SPACE = {"seconds": (0.0, 3.0)}\n\n\ndef unlearning(net, a, b, c, *, seconds=3.0):\n'
        "    end = time.process_time() + seconds\n    while time.process_time() < end: pass\n"
    )
    path = write_solution(f"import time\n\n{dear}", name="dear", whole=True)  # the study of `mine` lies there too
    before = made(tuning[1])
    run = tune(path, tuning[1], "--trials", 1)
    assert run.returncode == 1
    assert "None of 1 trials worked at less than 18% of a retraining" in run.stderr.replace("\n", " ")
    assert made(tuning[1]) == before
    assert not (path.parent / "tuned" / "digits.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--solution", "original"), "original.py has no SEARCH_SPACE, so nothing can be tuned"),
        (("--solution", "finetune", "--models", 31), "--models 31 is too few; at least 32 is needed."),
        (("--solution", "finetune", "--trials", 0), "--trials 0 is too few"),
        (("--solution", "finetun"), "Did you mean finetune?"),
        (("--solution", "finetune", "--task", "digit"), "Did you mean digits?"),
    ],
)
def test_what_cannot_be_tuned_ends_in_a_sentence(tmp_path, arguments, message):
    run = run_script("tune.py", *arguments, "--runs", tmp_path)
    assert run.returncode == 2
    assert message in run.stderr.replace("\n", " ")
    assert "Traceback" not in run.stderr
    assert not list(tmp_path.rglob("*.npz"))  # no model was made


@pytest.mark.slow
def test_killed_three_times_it_goes_on_and_tries_what_was_under_way_again(write_solution, tmp_path):
    unhurried = TUNABLE.replace('if how == "nothing":', "time.sleep(0.05)\n    if steps < 0:").replace(
        "import torch", "import time, torch"
    )
    path = write_solution(unhurried, name="mine", whole=True)
    arguments = ("--solution", path, "--models", 48, "--runs", tmp_path / "runs", "--trials", 5)
    for _ in range(3):
        process = start_script("tune.py", *arguments)
        while not process.stderr.readline().startswith("trial "):
            assert process.poll() is None
        time.sleep(0.5)  # the next trial is under way
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    run = run_script("tune.py", *arguments)
    assert run.returncode == 0, run.stderr
    states = [trial.state.name for trial in study_of(tmp_path / "runs").trials]
    assert states.count("COMPLETE") == 5
    assert 1 <= states.count("FAIL") <= 3
    assert "RUNNING" not in states
    interrupted = [trial.params for trial in study_of(tmp_path / "runs").trials if trial.state.name == "FAIL"]
    done = [trial.params for trial in study_of(tmp_path / "runs").trials if trial.state.name != "FAIL"]
    assert all(params in done for params in interrupted if params)


@pytest.mark.slow
def test_two_cannot_tune_the_same(tunable, tmp_path):
    arguments = ("--solution", tunable, "--models", 48, "--runs", tmp_path / "runs", "--trials", 50)
    first = start_script("tune.py", *arguments)
    try:
        while "trial 1" not in first.stderr.readline():
            assert first.poll() is None
        second = run_script("tune.py", *arguments)
        assert second.returncode == 2
        assert "mine is being tuned by another process" in second.stderr.replace("\n", " ")
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
