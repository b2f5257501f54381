import copy
import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional as F

from solutions import random_mask
from solutions.parts.layers import normalisation_weights
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, loss, unlearn, weights

PRECISE = dataclasses.replace(DATA, images=DATA.images.astype("float64"))


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("random_mask"), []).hyperparameters == {
        "fraction": 0.5,
        "epochs": 5,
        "learning_rate": 1e-4,
        "weight_decay": 1e-4,
    }


def test_step_1_masks_half_of_the_elements_of_all_but_normalisation_layers(original):
    masked = unlearn("random_mask", original, epochs=0)
    spared = {id(weight) for weight in normalisation_weights(masked)}
    assert len(spared) == 6
    zeros = []
    for before, after in zip(original.parameters(), masked.parameters(), strict=True):
        if id(after) in spared:
            assert torch.equal(before, after)
        else:
            assert torch.equal(after, before * (after != 0))  # what is not masked is as it was
            zeros.append((after == 0).flatten())
    assert abs(torch.cat(zeros).double().mean() - 0.5) < 0.04  # 3,698 elements: four standard deviations
    assert all(0 < zero.sum() < len(zero) for zero in zeros if len(zero) > 16)


def test_step_1_masks_as_much_as_it_is_told_and_other_elements_in_other_runs(original):
    few, others = (weights(unlearn("random_mask", original, seed, epochs=0, fraction=0.1)) == 0 for seed in (0, 1))
    assert abs(few.double().mean() - 0.1) < 0.03
    assert not torch.equal(few, others)


def test_step_2_is_adam_with_a_rate_that_falls_with_every_step_to_a_tenth(original):
    net = copy.deepcopy(original).double()
    naive = copy.deepcopy(net).train()
    loader = loaders(TASK, PRECISE, "tuple")[0]
    torch.manual_seed(0)
    random_mask.repair(net, loader, 2, 0.01, 0.1)
    torch.manual_seed(0)
    optimiser = torch.optim.Adam(naive.parameters(), weight_decay=0.1)
    batches = [batch for _ in range(2) for batch in loader]
    for step, (images, labels) in enumerate(batches):
        optimiser.param_groups[0]["lr"] = 0.001 + 0.009 * (1 + math.cos(math.pi * step / len(batches))) / 2
        optimiser.zero_grad()
        F.cross_entropy(naive(images), labels).backward()
        optimiser.step()
    assert len(batches) == 12
    torch.testing.assert_close(weights(net), weights(naive), rtol=0, atol=1e-9)


def test_step_2_learns_from_the_retain_set_alone(original):
    net = copy.deepcopy(original)
    random_mask.unlearning(net, loaders(TASK, DATA, "tuple")[0], None, None, epochs=1)
    assert not torch.equal(weights(net), weights(original))


def test_step_2_trains_masked_elements_too_and_repairs(original):
    broken = unlearn("random_mask", original, epochs=0)
    repaired = unlearn("random_mask", original, epochs=5, learning_rate=0.01)
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 3
    masked = weights(broken) == 0
    assert (weights(repaired)[masked] != 0).double().mean() > 0.9
    # The forget set was known much better than unseen images, and no longer is.
    assert loss(original, DATA.forget) < 0.3 * loss(original, DATA.validation)
    assert loss(repaired, DATA.forget) > 0.6 * loss(repaired, DATA.validation)


def test_step_1_knows_normalisation_layers_by_their_type():
    net = nn.Sequential(nn.Linear(50, 50), nn.LayerNorm(50))
    torch.manual_seed(0)
    random_mask.mask(net, 0.5)
    assert 0 < (net[0].bias == 0).sum() < 50
    assert (net[1].weight == 1).all()
