"""Published values carried over to a task by its number of steps."""

import copy

import pytest

from starting_kit import contract, runner, tasks
from starting_kit.lockstep import proof
from starting_kit.transferred import COMPETITION, SMALLEST, Published, published

TASK = tasks.find("digits")
DATA = TASK.load()
RETAIN = len(DATA.retain)
BATCHES_SEEN = """
import torch
from torch.nn import functional as F

METADATA = {metadata}


def unlearning(net, retain_loader, forget_loader, val_loader, *, batch_size=128, forget_batch_size=None, rate=0.0):
    loaders = (retain_loader, forget_loader, val_loader)
    assert [loader.batch_size for loader in loaders] == [{loaders}] * 3, [loader.batch_size for loader in loaders]
    assert batch_size == {own}, batch_size
    assert forget_batch_size is None and rate == 0.0
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3)
    for images, labels in retain_loader:
        optimiser.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimiser.step()
"""


def test_an_epoch_of_the_competition_is_that_of_its_data():
    assert Published(375, 64) == COMPETITION
    assert COMPETITION.factor(24_000) == 1
    assert COMPETITION.loader_batch_size(24_000) == 64
    assert COMPETITION.values({"batch_size": 256, "epochs": 3}, 24_000) == {"batch_size": 256}


@pytest.mark.parametrize(("retain", "size"), [(12_000, 32), (48_000, 128), (3_750, 10), (3_000, 8), (360, 8)])
def test_an_epoch_has_as_many_steps_until_batches_are_as_small_as_they_may_be(retain, size):
    assert COMPETITION.loader_batch_size(retain) == size
    steps = -(-retain // size)
    assert steps == 375 if size > SMALLEST else steps <= 375


def test_all_batch_sizes_have_the_same_factor_and_nothing_else_has():
    defaults = {"batch_size": 128, "retain_batch_size": 256, "forget_batch_size": None, "retain_examples": 32, "epochs": 8}
    assert COMPETITION.values(defaults, 6_000) == {"batch_size": 32, "retain_batch_size": 64}
    assert COMPETITION.values({"batch_size": 4}, 360) == {"batch_size": 4}  # it was smaller where it was published


def test_a_solution_may_have_been_published_elsewhere():
    sfron = contract.describe(contract.find("sfron"), [], retain=45_056)
    assert sfron.published == Published(352, 128)
    assert sfron.loader_batch_size == 128
    assert published({"published_steps": 10}) == Published(10, 64)
    assert published(None) == published({}) == COMPETITION


@pytest.mark.parametrize("name", ["gkt", "gkt_entropy", "gkt_no_attention", "gkt_deep_inversion", "emmn"])
def test_nothing_changes_where_a_solution_makes_up_its_data(name):
    found = contract.describe(contract.find(name), [], retain=RETAIN)
    assert (found.overrides, found.loader_batch_size, found.origin) == ({}, None, "transferred")
    assert "nothing changes" in found.published.said(RETAIN)


def test_what_is_lost_is_said():
    partial, whole = (COMPETITION.said(retain) for retain in (RETAIN, 24_000))
    assert "has 45 steps in batches of 8; where the values were published it had 375 in batches of 64" in partial
    assert "the transfer is partial" in partial
    assert "partial" not in whole


def test_what_the_user_sets_goes_before():
    found = contract.describe(contract.find("scl"), ["retain_batch_size=100"], retain=RETAIN)
    assert found.overrides == {"retain_batch_size": 100}
    assert found.settings == {"retain_batch_size": 100}
    assert contract.describe(contract.find("scl"), [], retain=RETAIN).overrides == {"retain_batch_size": 8}


@pytest.mark.parametrize(
    ("metadata", "loaders", "own"),
    [
        ({}, SMALLEST, SMALLEST),
        ({"published_steps": 12, "published_batch_size": 128}, 30, 30),
        ({"published_steps": 0}, 64, 128),
    ],
)
def test_loaders_and_arguments_have_the_batch_sizes_alone_and_in_lockstep(original, write_solution, metadata, loaders, own):
    path = write_solution(BATCHES_SEEN.format(metadata=metadata, loaders=loaders, own=own), whole=True)
    solution = contract.describe(path, [], retain=RETAIN)
    runner.call(solution, copy.deepcopy(original), TASK, DATA, "tuple")
    assert proof.objection(solution, original, TASK, DATA, "tuple") is None
