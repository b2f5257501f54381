"""A solution that brings its own trainer: all models are made by it, and are never taken for others."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from conftest import run_script
from evaluation.populations import materials, shards, timing, worker
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.model_outputs import logits_of
from evaluation.populations.population import Population
from evaluation.populations.runs import Pools
from solutions.parts import sisa
from starting_kit import contract, runner, tasks
from starting_kit.errors import InputError, SolutionError
from starting_kit.files import read_arrays
from starting_kit.tasks.task import ONE_AT_A_TIME

TASK = tasks.find("digits")
DATA = TASK.load()

# Remembers the mean of each class, and so what it was trained on; its network is no `networks.build(task)`.
MEANS = """
import torch

class Means(torch.nn.Module):
    def __init__(self, data, examples):
        super().__init__()
        images, self.examples = torch.from_numpy(data.images), examples
        self.means = torch.nn.Parameter(torch.stack([images[i].mean(0).flatten() for i in self.of_classes(data)]))

    def of_classes(self, data):
        return [torch.from_numpy(self.examples[data.labels[self.examples] == label]) for label in range(10)]

    def forward(self, images):
        return -torch.cdist(images.flatten(1), self.means * self.scale)

def train(task, seed, data, examples, *, scale=1.0):
    net = Means(data, examples)
    net.scale = scale * (1 + torch.rand(()).item() / 100)
    return net

def unlearning(net, retain_loader, forget_loader, val_loader, *, scale=1.0):
    assert type(net).__name__ == "Means" and scale == round(net.scale), net.scale
    for label, image in [(label, image) for images, labels in forget_loader for image, label in zip(images, labels)]:
        net.means.data[label] -= image.flatten() / 1000
"""


@pytest.fixture
def means(write_solution):
    return contract.describe(write_solution(MEANS, name="means", whole=True), ["scale=3"])


def described(write_solution, text):
    return contract.describe(write_solution(text, whole=True), [])


UNLEARNING = "def unlearning(net, a, b, c, *, k=2): pass\n"


@pytest.mark.parametrize(
    ("text", "trains"),
    [
        ("", False),
        ("def train(net, loader, epochs): pass", False),
        ("from solutions.parts.training import train", False),
        ("train = 3", False),
        ("def train(task, seed, data, examples, *, k=2): pass", True),
        ("def train(task, seed, data, examples, k=2): pass", True),
    ],
)
def test_a_trainer_is_told_from_other_functions_of_that_name(write_solution, text, trains):
    assert described(write_solution, UNLEARNING + text).trains == trains


@pytest.mark.parametrize("parameters", ["", ", *, k=3", ", *, j=2", ", *, k=2, j=1", ", k"])
def test_a_trainer_has_the_hyperparameters_of_unlearning(write_solution, parameters):
    with pytest.raises(InputError, match="train must have the hyper-parameters of unlearning, with the same defaults"):
        described(write_solution, f"{UNLEARNING}def train(task, seed, data, examples{parameters}): pass")


def test_what_trains_cannot_be_tuned(write_solution):
    text = f"{UNLEARNING}def train(task, seed, data, examples, *, k=2): pass\nSEARCH_SPACE = {{'k': (1, 3)}}"
    with pytest.raises(InputError, match="brings its own trainer, so it cannot be tuned"):
        described(write_solution, text)


def test_what_a_trainer_takes_from_the_kit_is_among_its_sources():
    sources = contract.describe(contract.find("sisa"), []).sources
    assert {"solutions/sisa.py", "solutions/parts/sisa.py", "starting_kit/training.py"} <= sources.keys()
    assert "starting_kit/lockstep/stacking.py" not in sources  # what the kit itself imports is the kit's


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('no luck')", r"ValueError: no luck \(mine.py, line 2"),
        ("return 3", "train returned int, it must return a network"),
        ("return torch.nn.Linear(2, 2, bias=False).apply(lambda m: m.weight.data.fill_(float('nan')))", "train left weights"),
    ],
)
def test_a_trainer_that_fails_says_how(write_solution, body, message):
    text = f"def train(task, seed, data, examples, *, k=2): {body}\n{UNLEARNING}\nimport torch"
    text = text.replace(": raise", ":\n    raise")
    with pytest.raises(SolutionError, match=message):
        runner.train(described(write_solution, text), TASK, DATA, DATA.retain, 0)


def test_a_trainers_populations_are_not_taken_for_others(means, write_solution, tmp_path):
    ordinary = Population(TASK, "retrained", 0, tmp_path, ONE_AT_A_TIME)
    own = dataclasses.replace(ordinary, trainer=means)
    others = [
        ordinary,
        dataclasses.replace(own, trainer=contract.describe(means.path, [])),
        dataclasses.replace(own, trainer=dataclasses.replace(means, sources={"means.py": ""})),
        dataclasses.replace(own, trainer=dataclasses.replace(means, name="other")),
        dataclasses.replace(own, kind="second_retrained"),
    ]
    assert len({own.key, *(other.key for other in others)}) == 1 + len(others)


def make(population, model):
    """What two workers do, in this process."""
    (parcel,) = worker.run_solution(population, [model]).models
    assert worker.store_models(population, model, [(model, parcel)]) == []


def test_unlearning_starts_from_the_trainers_network_as_it_was_stored(means, tmp_path):
    """Which is of a class that the solution's file defines, and has attributes besides its weights."""
    task = dataclasses.replace(TASK, unlearned_at_once=1)
    original = Population(task, "original", 0, tmp_path, ONE_AT_A_TIME, originals=2, trainer=means)
    for shard in range(3):
        make(original, shard)
    assert [path.name for path in sorted(original.folder.glob("weights-*"))] == ["weights-00000.npz", "weights-00001.npz"]
    for model in range(2):
        trained = runner.train(means, task, DATA, DATA.training, original.model_seed(model))
        stored = materials.original_model(original, model)
        assert torch.equal(stored.means, trained.means)
        assert (stored.scale, stored.training) == (trained.scale, False)
        np.testing.assert_array_equal(stored.examples, DATA.training)
        logits = logits_of(trained, DATA.images[DATA.forget], 10)
        np.testing.assert_array_equal(read_arrays(original.shard_path(model))["logits_forget"][0], logits)
    unlearned = Population(task, "unlearned", 0, tmp_path, ONE_AT_A_TIME, means, "tuple", original, 2)
    make(unlearned, 4)
    expected = runner.call(means, trained, task, DATA, "tuple")
    logits = logits_of(expected, DATA.images[DATA.forget], 10)
    np.testing.assert_allclose(read_arrays(unlearned.shard_path(4))["logits_forget"][0], logits, atol=1e-5)


def test_retrained_models_are_the_trainers_on_retain_and_timed_as_a_whole(means, tmp_path, monkeypatch):
    task = dataclasses.replace(TASK, unlearned_at_once=1)
    retrained = Population(task, "retrained", 0, tmp_path, ONE_AT_A_TIME, trainer=means)
    make(retrained, 0)
    trained = runner.train(means, task, DATA, DATA.retain, retrained.model_seed(0))
    logits = logits_of(trained, DATA.images[DATA.test], 10)
    np.testing.assert_array_equal(read_arrays(retrained.shard_path(0))["logits_test"][0], logits)
    monkeypatch.setattr(timing, "LONG", 0.0)
    calls = []
    monkeypatch.setattr(runner, "train", lambda solution, task, data, examples, seed: calls.append((task, examples, seed)))
    timing.time_retraining(retrained, 0)
    assert [(task.recipe.epochs, seed) for task, _, seed in calls] == [
        (1, retrained.model_seed(0)),
        (20, retrained.model_seed(0)),
    ]
    assert all(np.array_equal(examples, DATA.retain) for _, examples, _ in calls)


def test_a_trainer_that_fails_is_named(write_solution, tmp_path):
    text = f"{UNLEARNING}def train(task, seed, data, examples, *, k=2): raise ValueError('no luck')"
    population = Population(TASK, "retrained", 0, tmp_path, ONE_AT_A_TIME, trainer=described(write_solution, text))
    with (
        LocalProcesses(1, print, solution=population.trainer.path) as runners,
        pytest.raises(SolutionError, match=r"mine failed on model 0: ValueError: no luck .* are kept"),
    ):
        shards.make(population, 3, Pools(None, runners), lambda newly: None, print)


@pytest.mark.slow
def test_sisa_is_scored_against_its_own_retrained_ensembles(tmp_path):
    """Every unlearned ensemble has an original of its own: the same command twice makes it once."""
    places = ("--runs", tmp_path / "runs", "--results", tmp_path / "results")
    values = ("--set", "shards=2", "--set", "slices=2", "--epochs", 2)
    command = ("score.py", "--solution", "sisa", "--models", 4, "--originals", 4, *values, *places)
    run = run_script(*command)
    assert run.returncode == 0, run.stderr
    (path,) = (tmp_path / "results" / "digits").iterdir()
    card = json.loads(path.read_text())
    assert (card["trainer"], card["originals"], card["engine"]["unlearning"]) == ("sisa", 4, "single")
    assert card["engine"]["reason"] == "sisa takes one model at a time"
    assert card["hyperparameters"]["values"] == {"shards": 2, "slices": 2}
    assert card["cost"] > 0.3

    folders = {folder.name.split("-")[0]: folder for folder in (tmp_path / "runs" / "digits-v2").iterdir() if folder.is_dir()}
    assert len(folders) == 4
    task = dataclasses.replace(TASK, recipe=dataclasses.replace(TASK.recipe, epochs=2))
    retrained = Population(task, "retrained", 0, tmp_path, ONE_AT_A_TIME)  # its seeds do not depend on the trainer
    ensemble = sisa.train(task, retrained.model_seed(1), DATA, DATA.retain, 2, 2)
    logits = logits_of(ensemble, DATA.images[DATA.forget], 10)
    np.testing.assert_allclose(read_arrays(folders["retrained"] / "shard-00001.npz")["logits_forget"][0], logits, atol=1e-4)

    again = run_script(*command)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("4 models (all found)") == 5
    table = run_script("leaderboard.py", "--results", tmp_path / "results")
    assert "all models trained by sisa" in table.stdout
    lockstep = run_script(*command, "--engine", "lockstep")
    assert lockstep.returncode == 2
    assert "sisa takes one model at a time" in lockstep.stderr
