"""Under --data-free a solution gets no image and no label, whatever it tries, and is told what it may know."""

import copy
import dataclasses
import pickle
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Subset

from conftest import run_script
from evaluation.populations.population import Population
from evaluation.scoring.plan import choose_engine
from solutions.parts.data_spec import data_spec
from starting_kit import contract, dry_calls, networks, runner, tasks
from starting_kit.errors import DataWithheldError, InputError, RunError
from starting_kit.loaders import loaders
from starting_kit.lockstep import proof
from starting_kit.lockstep.random_streams import stack_loaders
from starting_kit.tasks.task import ONE_AT_A_TIME, Engine

TASK = tasks.find("digits", forget="class:3")
DATA = TASK.load()
SPLITS = ("retain", "forget", "validation")

READS = {
    "a loop": lambda loader: next(iter(loader)),
    "an item": lambda loader: loader.dataset[0],
    "the last item": lambda loader: loader.dataset[-1],
    "all items": lambda loader: list(loader.dataset),
    "several items": lambda loader: loader.dataset.batch([0, 1]),
    "memory": lambda loader: loader.dataset.memory,
    "rows": lambda loader: loader.dataset.rows,
    "a loader of its own": lambda loader: next(iter(DataLoader(loader.dataset, batch_size=7, shuffle=True))),
    "worker processes": lambda loader: next(iter(DataLoader(loader.dataset, num_workers=1))),
    "a subset": lambda loader: Subset(loader.dataset, [3, 4])[0],
    "a concatenation": lambda loader: next(iter(DataLoader(ConcatDataset([loader.dataset, loader.dataset])))),
    "a copy": lambda loader: copy.deepcopy(loader.dataset)[0],
    "another process": lambda loader: pickle.loads(pickle.dumps(loader.dataset))[0],
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("number", range(3), ids=SPLITS)
def test_nothing_can_be_read(read, number):
    loader = loaders(TASK, DATA, "tuple", data_free=True)[number]
    with pytest.raises(DataWithheldError, match=f"reads {SPLITS[number]} images or labels, which --data-free withholds"):
        read(loader)
    read(loaders(TASK, DATA, "tuple")[number])  # and with data it can


def test_no_data_are_in_the_loaders():
    """Whatever a solution catches or takes apart: what it was given holds no tensor and no array."""
    for loader in loaders(TASK, DATA, "tuple", data_free=True):
        assert len(pickle.dumps(loader.dataset)) < 1000
        assert not hasattr(loader.dataset, "images")


def test_loaders_with_and_without_data_tell_the_same_of_them():
    held, withheld = loaders(TASK, DATA, "tuple"), loaders(TASK, DATA, "tuple", data_free=True)
    for own, other, split in zip(held, withheld, SPLITS, strict=True):
        for name in ("classes", "image_shape", "pixel_mean", "pixel_std", "pixel_range"):
            assert getattr(own.dataset, name) == getattr(other.dataset, name)
        assert len(own) == len(other)
        assert len(own.dataset) == len(other.dataset) == len(getattr(DATA, split))
        assert own.batch_size == other.batch_size == TASK.loader_batch_size
        with pytest.raises(AttributeError):
            own.dataset.classes = ()  # type: ignore[attr-defined]
    outlines: list[Any] = [loader.dataset for loader in withheld]
    retain, forget, validation = outlines
    assert (forget.classes, retain.image_shape, retain.pixel_mean) == ((3,), (1, 8, 8), TASK.pixel_mean)
    assert retain.classes == (0, 1, 2, 4, 5, 6, 7, 8, 9)
    assert validation.classes == tuple(range(10))


def test_what_may_be_known_is_told_or_looked_at():
    """Loaders of others, Kaggle's own for one, tell nothing of themselves."""
    net = networks.build(TASK, seed=0).double()
    told = data_spec(net, *loaders(TASK, DATA, "tuple", data_free=True)[:2])
    retain, forget = (
        DataLoader([dict(loader.dataset[i]) for i in range(len(loader.dataset))], batch_size=50)
        for loader in loaders(TASK, DATA, "dict")[:2]
    )
    seen = data_spec(net, retain, forget)
    assert (told.image_shape, told.forget, told.retain) == (seen.image_shape, seen.forget, seen.retain)
    assert told.forget == (3,)
    assert told.pixel_range == seen.pixel_range == (0, 16)
    assert (told.mean.shape, told.mean.dtype) == ((1, 1, 1), torch.float64)
    assert told.mean.item() == pytest.approx(TASK.pixel_mean[0])
    pixels = torch.from_numpy(DATA.images[DATA.retain]).double()
    torch.testing.assert_close(seen.pixels((pixels - pixels.mean()) / pixels.std()), pixels, rtol=1e-5, atol=1e-5)


def test_where_every_class_is_to_be_forgotten_there_is_a_sentence():
    task = tasks.find("digits")
    with pytest.raises(ValueError, match="every class is in the forget set"):
        data_spec(networks.build(task, seed=0), *loaders(task, task.load(), "tuple")[:2])


def test_classes_that_differ_between_models_are_not_told_for_all_at_once():
    other = tasks.find("digits", forget="class:4").load()
    generators = [torch.Generator() for _ in range(2)]

    def together(first, second, data_free):
        return stack_loaders([loaders(TASK, own, "tuple", data_free=data_free) for own in (first, second)], generators)

    for data_free in (False, True):
        assert together(DATA, DATA, data_free)[1].dataset.classes == (3,)
        with pytest.raises(RunError, match="different classes"):
            together(DATA, other, data_free)[1].dataset.classes  # noqa: B018  # that is the access


# --- solutions

MAKES_IT_UP = """
import torch
BATCHES = "tuple"

def unlearning(net, retain_loader, forget_loader, val_loader):
    images = torch.rand(8, *retain_loader.dataset.image_shape)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(3):
        optimiser.zero_grad()
        net(images * torch.rand(8, 1, 1, 1)).square().mean().backward()
        optimiser.step()
"""
CATCHES = """
import torch

def unlearning(net, retain_loader, forget_loader, val_loader):
    for loader in (retain_loader, forget_loader, val_loader):
        try:
            for images, labels in loader:
                with torch.no_grad():
                    net[-1].bias += images.sum()
        except Exception:
            pass
"""
READS_VALIDATION = """
def unlearning(net, retain_loader, forget_loader, val_loader):
    next(iter(val_loader))
"""


def described(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text(text)
    return contract.describe(path, [])


def test_solutions_that_make_their_images_up_run_in_lockstep_without_data(tmp_path):
    solution = described(tmp_path, MAKES_IT_UP.replace("(8,", "(8 * getattr(net, 'members', 1),"))
    net = networks.build(TASK, seed=0).eval()
    assert proof.objection(solution, net, TASK, DATA, "tuple", data_free=True) is None


def test_a_solution_that_catches_every_exception_gets_no_data_all_the_same(tmp_path):
    solution = described(tmp_path, CATCHES)
    for data_free in (True, False):
        net = networks.build(TASK, seed=0)
        before = net[-1].bias.clone()
        unlearned = runner.call(solution, net, TASK, DATA, "tuple", data_free=data_free)
        assert torch.equal(unlearned[-1].bias, before) == data_free


def test_validation_images_are_withheld_in_every_stage(tmp_path):
    solution = described(tmp_path, READS_VALIDATION)
    net = networks.build(TASK, seed=0).eval()
    stages = [
        lambda: dry_calls.find_batches(solution, net, TASK, DATA, data_free=True),
        lambda: proof.objection(solution, net, TASK, DATA, "tuple", data_free=True),
        lambda: runner.call(solution, net, TASK, DATA, "tuple", data_free=True),
        lambda: runner.call_in_lockstep(solution, [net] * 2, TASK, [DATA] * 2, "tuple", (0, 1), data_free=True),
    ]
    sentence = r"^mine reads validation images or labels, which --data-free withholds; score it without --data-free\.$"
    for stage in stages:
        with pytest.raises(DataWithheldError, match=sentence):
            stage()


@pytest.mark.slow
def test_the_command_scores_without_data_and_refuses_what_reads_them(tmp_path):
    (tmp_path / "mine.py").write_text(MAKES_IT_UP)
    folders = ("--runs", tmp_path / "runs", "--results", tmp_path / "results", "--no-intervals")
    arguments = ("--forget", "class:3", "--models", 4, "--epochs", 1, "--data-free", *folders)
    run = run_script("score.py", "--solution", tmp_path / "mine.py", *arguments)
    assert run.returncode == 0, run.stderr
    assert [path.name for path in (tmp_path / "results").rglob("*.json")] == ["mine--class3,trained1,n4,data-free.json"]
    refused = run_script("score.py", "--solution", "finetune", *arguments)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    sentence = "finetune reads retain images or labels, which --data-free withholds; score it without --data-free."
    assert refused.stderr.strip().splitlines()[-1] == f"error: {sentence}"
    assert len(list((tmp_path / "results").rglob("*.json"))) == 1


# --- one model at a time


def test_a_solution_may_say_that_it_takes_one_model_at_a_time(tmp_path):
    assert described(tmp_path, MAKES_IT_UP).lockstep
    alone = described(tmp_path, MAKES_IT_UP + "LOCKSTEP = False\n")
    original = Population(TASK, "original", 0, tmp_path, Engine("grouped", 16))

    def never(*job):
        raise AssertionError("the solution is called for a trial")

    unlearners = SimpleNamespace(run=never)
    chosen, why, _ = choose_engine(None, original, alone, "tuple", unlearners)
    assert (chosen, why) == (ONE_AT_A_TIME, "mine takes one model at a time")
    with pytest.raises(InputError, match="--engine lockstep: mine takes one model at a time"):
        choose_engine("lockstep", original, alone, "tuple", unlearners)
    unlearned = Population(TASK, "unlearned", 0, tmp_path, chosen, alone, "tuple", original)
    assert unlearned.shard_size == 1  # few models that take long are enough for several workers


def test_only_populations_that_had_no_data_say_so(tmp_path):
    original = Population(TASK, "original", 0, tmp_path, Engine("grouped", 16))
    solution = described(tmp_path, MAKES_IT_UP)
    held = Population(TASK, "unlearned", 0, tmp_path, ONE_AT_A_TIME, solution, "tuple", original)
    withheld = dataclasses.replace(held, data_free=True)
    assert withheld.identity() == {**held.identity(), "data_free": True}
    assert held.key != withheld.key
