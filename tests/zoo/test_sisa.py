import copy
import dataclasses

import numpy as np
import pytest
import torch

from starting_kit import contract, runner
from starting_kit.errors import SolutionError
from trials import DATA, TASK, accuracy, steps, train, unlearn

SHORT = dataclasses.replace(TASK, recipe=dataclasses.replace(TASK.recipe, epochs=3))
SHAPE = {"shards": 3, "slices": 2}
IMAGES, LABELS = torch.from_numpy(DATA.images), torch.from_numpy(DATA.labels)


@pytest.fixture(scope="module")
def ensemble():
    return train("sisa", seed=3, task=SHORT, **SHAPE)


def drawn(seed):
    """The seed of the stages that are trained again, as the solution draws it when the runner has seeded the generators."""
    runner.start_afresh(seed)
    return int(torch.randint(2**62, ()))


def equal(first, second):
    return all(torch.equal(*pair) for pair in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


def test_defaults_and_steps():
    assert contract.describe(contract.find("sisa"), []).hyperparameters == {"shards": 5, "slices": 5}
    assert steps("sisa") == [1, 2, 3, 4]


def test_step_1_trains_an_ensemble_on_the_examples_it_is_given(ensemble):
    assert ensemble.shape == (3, 2)
    held = np.concatenate([ids for slices in ensemble.examples for ids in slices])
    assert sorted(held) == sorted(DATA.training)
    assert accuracy(ensemble, DATA.test) > 0.5
    without = train("sisa", seed=3, task=SHORT, examples=DATA.retain, **SHAPE)
    assert sorted(np.concatenate([ids for slices in without.examples for ids in slices])) == sorted(DATA.retain)


def test_steps_2_and_3_forget_the_forget_set_with_new_seeds(ensemble):
    for seed in (0, 1):
        expected = copy.deepcopy(ensemble)
        counts = expected.forget(DATA.forget, IMAGES, LABELS, drawn(seed))
        unlearned = unlearn("sisa", ensemble, seed, **SHAPE)
        assert equal(unlearned, expected)
        assert sum(counts) == 6
        assert not set(np.concatenate([ids for slices in unlearned.examples for ids in slices])) & set(DATA.forget)


def test_with_the_ensembles_own_seed_it_is_retraining_bit_for_bit(ensemble, monkeypatch):
    monkeypatch.setattr(torch, "randint", lambda *_: torch.tensor(3))
    unlearned = unlearn("sisa", ensemble, **SHAPE)
    assert equal(unlearned, train("sisa", seed=3, task=SHORT, examples=DATA.retain, **SHAPE))


def test_another_network_is_refused_in_a_sentence(original, ensemble):
    with pytest.raises(SolutionError, match="SISA unlearns only the ensembles that it has trained itself, and this is a Seq"):
        unlearn("sisa", original)
    with pytest.raises(SolutionError, match="the ensemble has 3 shards of 2 slices, not 5 of 5"):
        unlearn("sisa", ensemble)


def test_the_seed_decides_what_is_trained():
    first, again, other = (train("sisa", seed, SHORT, examples=DATA.forget, **SHAPE) for seed in (1, 1, 2))
    assert equal(first, again)
    assert not equal(first, other)
