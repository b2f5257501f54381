"""Tuning, mostly as a user does it: with the command, on a solution of their own."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import optuna
import pytest

from conftest import PROJECT, run_script
from evaluation.metric.outputs import Outputs
from evaluation.scoring.scorecard import COST_LIMIT
from evaluation.tuning import trials, tuned
from starting_kit import contract, tasks
from starting_kit.errors import InputError

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
    """A solution that was tuned with 5 trials."""
    folder = tmp_path_factory.mktemp("tuning")
    path = folder / "mine.py"
    path.write_text(TUNABLE)
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
    assert (entry["models"], entry["trials"]) == (192, 5)
    assert set(entry["values"]) == {"rate", "steps", "how"}
    assert entry["values"]["how"] == "noise"
    assert 0 < entry["score"] < 1
    assert 0 < entry["cost"] <= COST_LIMIT
    assert f"rate = {entry['values']['rate']}" in finished.stdout
    assert "the best so far: rate 0.9, steps 1, how noise" in finished.stderr
    assert str(path.parent / "tuned" / "digits.json") in finished.stdout


@pytest.mark.slow
def test_the_published_values_are_tried_first_and_failures_are_trials(tuning):
    _, runs, finished = tuning
    first, *others = study_of(runs).trials
    assert first.params == {"rate": 0.9, "steps": 1, "how": "noise"}
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
def test_trials_with_the_same_values_are_compared_once(tuning, write_solution):
    body = """
    import torch

    SEARCH_SPACE = {"rate": [0.9, 0.8]}

    def unlearning(net, retain_loader, forget_loader, val_loader, *, rate=0.9):
        for weight in net.parameters():
            weight.data += rate * weight.data.std() * torch.randn_like(weight)
    """
    run = tune(write_solution(textwrap.dedent(body), name="twice", whole=True), tuning[1], "--trials", 5)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count(" again ") == 2  # three trials at least had the same values as another
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
        "source": "published",
        "values": {"rate": 0.9, "steps": 1, "how": "noise"},
    }
    assert hyperparameters("mine--rate=0.5,n3.json") == {"source": "set", "values": {**values, "rate": 0.5}}


@pytest.mark.slow
def test_tuning_and_scoring_share_no_model(tuning):
    _, runs, _ = tuning
    populations = [json.loads(file.read_text()) for file in runs.glob("tuning/digits-v2/*/population.json")]
    assert {population["kind"] for population in populations} == {"original", "retrained"}
    assert all(population["master_seed"] == trials.SEED for population in populations)
    assert not list(runs.glob("digits-v2/*"))


def test_accuracy_is_that_on_validation_images():
    accuracy = {split: np.array([value]) for split, value in (("retain", 0.9), ("validation", 0.8), ("test", 0.1))}
    seen = trials.without_test(Outputs({}, {}, None, accuracy))
    assert {split: values.tolist() for split, values in seen.accuracy.items()} == {"retain": [0.9], "test": [0.8]}


def normal_outputs(models, seed, shift=0.0, spread=1.0):
    """Of models whose confidences are normal, on 200 examples."""
    confidences = 5 + shift + spread * np.random.default_rng(seed).standard_normal((models, 200))
    accuracy = {split: np.ones(models) for split in ("retain", "test")}
    return Outputs({}, {"forget": confidences}, None, accuracy)


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (0.0, 0.6), (0.5, 0.8), (1.0, 1.25)])
def test_few_models_forecast_what_many_score(shift, spread):
    few = normal_outputs(128, 1, shift, spread), normal_outputs(128, 2)
    real = trials.score(normal_outputs(512, 3, shift, spread), normal_outputs(512, 4))
    assert real / 1.5 < trials.forecast(*few) < real * 1.5
    if spread == 0.6:
        assert trials.score(*few) > 2 * real  # what the score of few models itself would have said


def test_the_forecast_is_the_mean_over_original_models():
    near, far, retrained = normal_outputs(64, 1), normal_outputs(64, 2, shift=3), normal_outputs(64, 3)
    confidences = np.empty((128, 200))
    confidences[0::2], confidences[1::2] = near.confidences["forget"], far.confidences["forget"]
    both = dataclasses.replace(normal_outputs(128, 0), confidences={"forget": confidences})
    apart = [trials.forecast(part, retrained) for part in (near, far)]
    assert trials.forecast(both, retrained, originals=2) == pytest.approx(np.mean(apart), rel=0.2)
    assert trials.forecast(both, retrained) < np.mean(apart) / 2  # as one population they would be something else


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
        'SEARCH_SPACE = {"seconds": (0.0, 3.0)}\n\n\ndef unlearning(net, a, b, c, *, seconds=3.0):\n    time.sleep(seconds)\n'
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
        (("--solution", "finetune", "--models", 47), "--models 47 is too few; at least 48 is needed."),
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


@pytest.mark.slow
def test_killed_three_times_it_goes_on_and_tries_what_was_under_way_again(write_solution, tmp_path):
    unhurried = TUNABLE.replace('if how == "nothing":', "time.sleep(0.05)\n    if steps < 0:").replace(
        "import torch", "import time, torch"
    )
    path = write_solution(unhurried, name="mine", whole=True)
    arguments = ("--solution", path, "--models", 48, "--runs", tmp_path / "runs", "--trials", 5)
    command = [sys.executable, str(PROJECT / "evaluation" / "tune.py"), *map(str, arguments)]
    for _ in range(3):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
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
    command = [sys.executable, str(PROJECT / "evaluation" / "tune.py"), *map(str, arguments)]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        while "trial 1" not in first.stderr.readline():
            assert first.poll() is None
        second = run_script("tune.py", *arguments)
        assert second.returncode == 2
        assert "mine is being tuned by another process" in second.stderr.replace("\n", " ")
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()


# --- the file of tuned values


@pytest.fixture
def mine(tmp_path):
    return tmp_path / "mine.py"


def test_entries_of_other_solutions_stay(mine, tmp_path):
    tuned.write(tmp_path / "other.py", TASK, {"values": {"epochs": 1}})
    tuned.write(mine, TASK, {"values": {"epochs": 2}})
    file = tuned.write(mine, TASK, {"values": {"epochs": 3}})
    assert tuned.read(tmp_path / "other.py", TASK)["values"] == {"epochs": 1}
    assert tuned.read(mine, TASK)["values"] == {"epochs": 3}
    assert list(json.loads(file.read_text())) == ["mine", "other"]


def test_values_for_another_version_of_the_task_do_not_count(mine):
    tuned.write(mine, TASK, {"values": {"epochs": 3}})
    assert tuned.read(mine, dataclasses.replace(TASK, version=TASK.version + 1)) is None
    assert tuned.read(mine.with_name("other.py"), TASK) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"mine": {"values": {}}}', '{"mine": 3}'])
def test_a_damaged_file_is_named(mine, content):
    file = tuned.path(mine, TASK.name)
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(InputError, match=r"tuned/digits\.json .*(restore or remove|remove the entry)"):
        tuned.read(mine, TASK)


def test_tuned_values_become_hyperparameters(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def unlearning(a, b, c, d, *, epochs=1, rates=((0.1,), (0.1, 0.2)), flag=False): pass")
    values = {"epochs": 5, "rates": [[1.0], [1.0, 2.0]], "flag": False}
    solution = contract.describe(path, ["flag=true"], values)
    assert solution.overrides == {"epochs": 5, "rates": ((1.0,), (1.0, 2.0)), "flag": True}
    assert solution.settings == {"flag": True}
    assert contract.describe(path, ["epochs=5"], values).settings == {}
    assert contract.describe(path, ["epochs=1"], values).overrides == {"rates": ((1.0,), (1.0, 2.0))}
    with pytest.raises(InputError, match=r"no hyper-parameter 'steps', which was tuned; tune it again"):
        contract.describe(path, [], {"steps": 3})


def test_the_zoo_takes_its_tuned_values():
    """What is committed in solutions/tuned/ fits the solutions that are there."""
    for file in (contract.ZOO / "tuned").glob("*.json"):
        for name, entry in json.loads(file.read_text()).items():
            solution = contract.describe(contract.find(name), [], entry["values"])
            assert set(entry["values"]) == set(solution.search_space)
            assert entry["cost"] <= COST_LIMIT
