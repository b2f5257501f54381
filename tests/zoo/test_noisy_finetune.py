import copy

import pytest
import torch
from torch.nn import functional as F

from solutions import noisy_finetune
from starting_kit import contract
from trials import given, unlearn, weights


def test_published_values_are_the_defaults():
    values, of_finetune = (
        contract.describe(contract.find(name), []).hyperparameters for name in ("noisy_finetune", "finetune")
    )
    del of_finetune["batch_size"]
    assert values == {"noise": 0.03, "clip": 1.0} | of_finetune | {"weight_decay": 1e-6}


@pytest.mark.parametrize("clip", [1e-3, 1e3])
def test_steps_without_noise_equal_the_formula(original, clip):
    """Also the second one, so there is no momentum; a gradient shorter than the limit stays as it is."""
    two, rate, decay = list(given()[0])[:2], 0.1, 0.01
    net, naive = copy.deepcopy(original), copy.deepcopy(original).train()
    noisy_finetune.unlearning(net, two, None, None, learning_rate=rate, noise=0.0, clip=clip, weight_decay=decay)
    for images, labels in two:
        gradients = torch.autograd.grad(F.cross_entropy(naive(images), labels), list(naive.parameters()))
        length = torch.cat([part.flatten() for part in gradients]).norm()
        assert 0.01 < length < 100  # between the two limits
        with torch.no_grad():
            for weight, part in zip(naive.parameters(), gradients, strict=True):
                weight -= rate * (part * min(1.0, clip / length) + decay * weight)
    torch.testing.assert_close(weights(net), weights(naive), rtol=1e-4, atol=1e-6)
    assert (weights(net) - weights(original)).norm() > 1e-3


def test_noise_of_all_steps_adds_up_to_its_formula(original):
    """Six steps, so small that the gradients do next to nothing."""
    rate, noise = 1e-6, 2.0
    quiet, noisy = (unlearn("noisy_finetune", original, learning_rate=rate, noise=value) for value in (0, noise))
    added = weights(noisy) - weights(quiet)
    assert abs(added.std() / (noise * (2 * rate * 6) ** 0.5) - 1) < 0.05
    assert abs(added.mean()) < 0.05 * added.std()


def test_every_tensor_gets_noise_but_the_frozen_ones(original):
    net = copy.deepcopy(original)
    net[1].weight.requires_grad_(False)
    noisy_finetune.unlearning(net, list(given()[0])[:1], None, None, learning_rate=1e-8, noise=1.0)
    for (name, before), after in zip(original.named_parameters(), net.parameters(), strict=True):
        assert torch.equal(before, after) == (name == "1.weight")
