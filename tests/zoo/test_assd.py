import dataclasses
import math

import numpy as np
import pytest
import torch

from solutions import assd
from starting_kit import contract
from test_ssd import ALL, FORGET, ONE_BY_ONE, naive_importances
from trials import DATA, changed, loss, unlearn, weights


def vector(importances):
    """All weights' importances as one vector."""
    return torch.cat([importance.flatten() for importance in importances.values()])


def test_there_is_nothing_to_tune():
    described = contract.describe(contract.find("assd"), [])
    assert (described.hyperparameters, described.search_space) == ({}, {})


def test_step_2_selects_above_the_published_percentile_and_step_3_dampens_by_the_ratio(original):
    """A quarter of the data is to be forgotten."""
    unlearned = unlearn("assd", original, **ONE_BY_ONE)
    to_forget, to_all = naive_importances(original, FORGET), naive_importances(original, ALL)
    ratio = vector(to_forget) / vector(to_all)
    cut = np.percentile(ratio[ratio.isfinite()], 100 - math.log(1 + 100 * 8 / 32))
    before, after = weights(original), weights(unlearned)
    clearly = (ratio / cut - 1).abs() > 1e-3  # rounding decides the others
    assert torch.equal((after != before)[clearly], (ratio > cut)[clearly])
    selected = after != before
    torch.testing.assert_close(after[selected], (before / ratio)[selected], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("forget", [90, 30])
def test_step_2_selects_more_the_more_is_to_be_forgotten(original, forget):
    few = dataclasses.replace(DATA, forget=DATA.forget[:forget])
    moved = changed(original, unlearn("assd", original, data=few))
    share = math.log(1 + 100 * forget / (forget + 360)) / 100
    assert abs(sum(int(mask.sum()) for mask in moved.values()) - share * 3778) < 5  # a weight of 0 stays 0


def test_ratios_that_are_not_finite_do_not_count():
    found = assd.ratios([torch.tensor([0.0, 1.0, 3.0])], [torch.tensor([0.0, 0.0, 2.0])])
    assert found.tolist() == [1.5]
    assert assd.percentile(found[:0], 50.0) == math.inf


@pytest.mark.parametrize("percent", [0.0, 31.7, 96.9, 100.0])
def test_percentiles_are_those_of_numpy(percent):
    values = torch.rand(57, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert assd.percentile(values, percent) == pytest.approx(np.percentile(values.numpy(), percent), rel=1e-12)


def test_forgets_more_than_it_takes_from_the_retain_set(original):
    """In each of three runs, which differ: the loss of the forget set ends one and a half times as high as the other."""
    for seed in range(3):
        unlearned = unlearn("assd", original, seed)
        assert loss(unlearned, DATA.forget) > 1.2 * loss(unlearned, DATA.retain) > 1.2 * loss(original, DATA.retain)
