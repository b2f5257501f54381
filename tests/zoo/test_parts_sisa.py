"""SISA forgets exactly, trains again only what it must, and votes."""

import copy
import dataclasses
import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch

from solutions.parts import sisa
from starting_kit import tasks
from starting_kit.tasks.task import Recipe
from starting_kit.training import train as train_networks

TASK = dataclasses.replace(
    tasks.find("digits"),
    recipe=Recipe(epochs=2, batch_size=8, peak_learning_rate=0.1, momentum=0.9, weight_decay=5e-3),
)
DATA = dataclasses.replace(TASK.load(), retain=np.arange(100, 142), forget=np.arange(40, 54))
IMAGES, LABELS = torch.from_numpy(DATA.images), torch.from_numpy(DATA.labels)


def train(examples=DATA.training, shards=3, slices=3, seed=7, data=DATA):
    return sisa.train(TASK, seed, data, examples, shards, slices)


@pytest.fixture(scope="module")
def trained():
    return train()


@pytest.fixture
def ensemble(trained):
    return copy.deepcopy(trained)


def flat(places):
    return list(itertools.chain.from_iterable(places))


def without(ids):
    return np.setdiff1d(DATA.training, ids)


def states(ensemble):
    """Weights by shard and slice."""
    return [[stage.state_dict() for stage in stages] for stages in ensemble.stages]


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def same(first, second):
    """Bit for bit, weights and assignment."""
    places = zip(flat(first.examples), flat(second.examples), strict=True)
    return equal(first.state_dict(), second.state_dict()) and all(map(np.array_equal, *zip(*places, strict=True)))


# What is forgotten, from the ids by shard and slice; and how many stages of each shard must be trained again.
DELETIONS = {
    "of a first slice": (lambda e: e[0][0][:2], [3, 0, 0]),
    "of a last slice": (lambda e: e[1][2][1:2], [0, 1, 0]),
    "of two slices of a shard": (lambda e: [e[1][2][0], e[1][1][3]], [0, 2, 0]),
    "of several shards": (lambda e: [e[0][1][0], e[2][0][1], e[2][2][2]], [2, 0, 3]),
    "of all shards": (lambda e: DATA.forget, None),
    "a whole slice": (lambda e: e[1][1], [0, 2, 0]),
    "a whole first slice": (lambda e: e[2][0], [0, 0, 3]),
    "all but one of a shard": (lambda e: np.concatenate(e[0])[1:], [3, 0, 0]),
    "a whole shard": (lambda e: np.concatenate(e[0]), [3, 0, 0]),
    "nothing": (lambda e: [], [0, 0, 0]),
    "what it never saw": (lambda e: DATA.test[:5], [0, 0, 0]),
}


@pytest.mark.parametrize("what", DELETIONS)
def test_forgetting_gives_bit_for_bit_what_training_without_gives(ensemble, what):
    choose, again = DELETIONS[what]
    ids = np.asarray(choose(ensemble.examples), dtype=np.int64)
    counts = ensemble.forget(ids, IMAGES, LABELS)
    assert same(ensemble, train(without(ids)))
    assert not set(np.concatenate(flat(ensemble.examples))) & set(ids)
    if again:
        assert counts == again


def test_one_request_after_another_is_one_request(ensemble):
    first, second = ensemble.examples[1][2][:2], np.concatenate([ensemble.examples[1][0][:1], ensemble.examples[0][1]])
    for ids in (first, second):
        ensemble.forget(ids, IMAGES, LABELS)
    assert same(ensemble, train(without(np.concatenate([first, second]))))


def test_one_shard_of_one_slice_is_an_ordinary_network():
    (stage,) = train(shards=1, slices=1).stages[0]
    order = np.random.default_rng(7).permutation(np.sort(DATA.training))
    (network,) = train_networks(TASK, DATA, order, [sisa.stage_seed(7, 0, 0)])
    assert equal(stage.state_dict(), network.state_dict())


def test_an_example_influences_its_shard_only_and_no_slice_before_its_own(trained):
    images = DATA.images.copy()
    images[trained.examples[1][1][0]] = 16.0
    other = train(data=dataclasses.replace(DATA, images=images))
    unlike = [
        [not equal(*pair) for pair in zip(*stages, strict=True)] for stages in zip(states(trained), states(other), strict=True)
    ]
    assert unlike == [[False] * 3, [False, True, True], [False] * 3]


def test_only_what_must_be_is_trained_again(ensemble, monkeypatch):
    ids = np.array([ensemble.examples[0][2][0], ensemble.examples[2][1][0]])
    before = states(ensemble)
    trained_on = []
    real = sisa.train_further

    def noting(task, network, images, labels, ids, seed):
        trained_on.append((task.recipe.epochs, Counter(ids.tolist())))
        return real(task, network, images, labels, ids, seed)

    monkeypatch.setattr(sisa, "train_further", noting)
    ensemble.forget(ids, IMAGES, LABELS)
    left = ensemble.examples
    seen = [[left[0], 3], [left[2], 2], [left[2], 3]]
    assert trained_on == [(1, Counter(np.concatenate(slices[:count]).tolist())) for slices, count in seen]
    kept = [[0, 0], [0, 1], [1, 0], [1, 1], [1, 2], [2, 0]]
    after = states(ensemble)
    assert all(equal(before[shard][number], after[shard][number]) for shard, number in kept)


def test_other_seeds_give_other_networks_where_something_was_forgotten(ensemble):
    ids, own = ensemble.examples[1][1][:1], copy.deepcopy(ensemble)
    own.forget(ids, IMAGES, LABELS)
    ensemble.forget(ids, IMAGES, LABELS, seed=8)
    unlike = [
        [not equal(*pair) for pair in zip(*stages, strict=True)] for stages in zip(states(own), states(ensemble), strict=True)
    ]
    assert unlike == [[False] * 3, [False, True, True], [False] * 3]


def test_what_leaves_no_model_is_refused_and_changes_nothing(ensemble, trained):
    with pytest.raises(ValueError, match="no shard has 2 examples left"):
        ensemble.forget(DATA.training[:-1], IMAGES, LABELS)
    assert same(ensemble, trained)


def test_slices_are_added_one_by_one_and_every_stage_is_kept():
    """A stage is trained on from the one before it, on its slice and all before it."""
    ensemble = train(shards=2, slices=2)
    assert [len(stages) for stages in ensemble.stages] == [2, 2]
    task = dataclasses.replace(TASK, recipe=dataclasses.replace(TASK.recipe, epochs=1))  # 2 · 2 / 3 = 1.3
    for shard, (first, second) in enumerate(ensemble.stages):
        slices = ensemble.examples[shard]
        (network,) = train_networks(task, DATA, slices[0], [sisa.stage_seed(7, shard, 0)])
        assert equal(first.state_dict(), network.state_dict())
        seed = sisa.stage_seed(7, shard, 1)
        sisa.train_further(task, network, IMAGES, LABELS, torch.from_numpy(np.concatenate(slices)), seed)
        assert equal(second.state_dict(), network.state_dict())


@pytest.mark.parametrize("slices", [1, 2, 3, 5, 10, 39])
def test_the_epochs_of_all_slices_are_worth_those_of_the_recipe(slices):
    worth = sum((number + 1) / slices for number in range(slices)) * sisa.epochs_per_slice(20, slices)
    assert worth == pytest.approx(20, abs=0.25 * (slices + 1))  # half an epoch too many or too few in each stage


@pytest.mark.parametrize(("shards", "slices"), [(1, 1), (3, 3), (5, 1), (7, 4), (28, 2)])
def test_each_example_has_one_place_and_places_are_as_full_as_each_other(shards, slices):
    ids = DATA.training
    places = sisa.assign(ids, shards, slices, seed=3)
    assert [len(shard) for shard in places] == [slices] * shards
    assert sorted(np.concatenate(flat(places))) == sorted(ids)
    sizes = [[len(own) for own in shard] for shard in places]
    assert max(map(sum, sizes)) - min(map(sum, sizes)) <= 1
    assert all(max(own) - min(own) <= 1 for own in sizes)


def test_who_belongs_where_is_drawn_from_the_seed_and_not_from_who_is_trained_on(trained):
    fewer = train(DATA.retain)
    for own, all_of_them in zip(flat(fewer.examples), flat(trained.examples), strict=True):
        np.testing.assert_array_equal(own, all_of_them[np.isin(all_of_them, DATA.retain)])
    shuffled = sisa.assign(DATA.training[::-1], 3, 3, 7)
    assert all(map(np.array_equal, flat(shuffled), flat(trained.examples)))
    other = sisa.assign(DATA.training, 3, 3, 8)
    assert not any(map(np.array_equal, flat(other), flat(trained.examples)))


@pytest.mark.parametrize(("shards", "slices"), [(0, 1), (1, 0), (-1, -1), (57, 1), (8, 8)])
def test_more_places_than_examples_are_refused(shards, slices):
    with pytest.raises(ValueError, match=f"56 examples cannot be cut into {shards} shards of {slices} slices"):
        train(shards=shards, slices=slices)


def test_the_vote_is_that_of_a_naive_count():
    generator = torch.Generator().manual_seed(0)
    log_p = (3 * torch.randn(5, 400, 4, generator=generator)).log_softmax(dim=2)
    logits = sisa.vote(log_p)
    ties = 0
    for example in range(400):
        votes = Counter(log_p[:, example].argmax(dim=1).tolist())
        first = [label for label in votes if votes[label] == max(votes.values())]
        mean = log_p[:, example].exp().mean(dim=0)
        assert logits[example].argmax().item() == max(first, key=lambda label: mean[label].item())
        shares = torch.tensor([(votes[label] + mean[label].item()) / 6 for label in range(4)])
        torch.testing.assert_close(logits[example].exp(), shares)
        ties += len(first) > 1
    assert 20 < ties < 380


def test_a_certain_vote_has_a_finite_logarithm():
    log_p = torch.tensor([[[0.0, -200.0, -500.0]]]).log_softmax(dim=2)
    torch.testing.assert_close(sisa.vote(log_p), torch.tensor([[0.0, -200.0 - math.log(2), -500.0 - math.log(2)]]))


def test_outputs_are_the_vote_of_the_last_stages(trained):
    images = IMAGES[DATA.test[:50]]
    with torch.no_grad():
        log_p = torch.stack([stages[-1](images).log_softmax(dim=1) for stages in trained.stages])
        assert torch.equal(trained(images), sisa.vote(log_p))


@pytest.mark.parametrize("left", [0, 1])
def test_a_shard_with_nothing_to_train_on_does_not_vote(ensemble, left):
    """One example is nothing, because batch-norm cannot take the deviation of one."""
    ensemble.forget(np.concatenate(ensemble.examples[1])[left:], IMAGES, LABELS)
    images = IMAGES[DATA.test[:50]]
    with torch.no_grad():
        log_p = torch.stack([ensemble.stages[shard][-1](images).log_softmax(dim=1) for shard in (0, 2)])
        assert torch.equal(ensemble(images), sisa.vote(log_p))


def test_storage_is_that_of_all_stages_and_of_the_assignment(ensemble):
    one = sum(tensor.nbytes for tensor in ensemble.stages[0][0].state_dict().values())
    assert ensemble.storage() == 9 * one + 8 * len(DATA.training)
    ensemble.forget(ensemble.examples[0][2], IMAGES, LABELS)
    assert ensemble.storage() == 9 * one + 8 * sum(len(ids) for slices in ensemble.examples for ids in slices)
