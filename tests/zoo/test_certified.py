import copy
import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from solutions import certified
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, loss, unlearn, weights

PRECISE = dataclasses.replace(DATA, images=DATA.images.astype("float64"))
VALUES = {"weights_clip": 20.0, "gradient_clip": 10.0, "decay": 50.0}


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("certified"), []).hyperparameters == {
        **VALUES,
        "noisy_learning_rate": 0.01,
        "epsilon": 1.0,
        "epochs": 30,
        "learning_rate": 0.1,
        "weight_decay": 5e-4,
    }


@pytest.mark.parametrize("length", [5.0, 1000.0])
def test_step_1_clips_all_weights_together_and_forgets_the_statistics(original, length):
    net = copy.deepcopy(original)
    certified.begin(net, length)
    before = weights(original)
    torch.testing.assert_close(weights(net), before * min(1.0, length / before.norm().item()))
    means = [layer.running_mean for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(means) == 3
    assert not any(mean.any() for mean in means)


def test_step_2_there_are_as_many_noisy_steps_as_published():
    assert certified.noisy_steps(**VALUES, learning_rate=0.01) == 11
    assert certified.noisy_steps(1.0, 10.0, 50.0, 0.01) == 5
    assert certified.noisy_steps(1.0, 10.0, 1.0, 0.01) == 10  # 2·C₀·λ < C₁


@pytest.mark.parametrize("epsilon", [1.0, 0.1])
@pytest.mark.parametrize("steps", [1, 11, 40])
def test_step_2_the_noise_makes_up_for_the_greatest_distance(epsilon, steps):
    """Step by step: the farthest that two networks can be, and the variance that has come together."""
    std = certified.noise_std(**VALUES, learning_rate=0.01, epsilon=epsilon, steps=steps)
    apart, variance = 2 * 20.0, 0.0
    for _ in range(steps):
        apart = (1 - 0.01 * 50.0) * apart + 2 * 0.01 * 10.0
        variance = (1 - 0.01 * 50.0) ** 2 * variance + std**2
    assert apart**2 / (2 * variance) == pytest.approx(epsilon)


def test_step_2_a_noisy_step_decays_descends_and_adds_noise(original):
    net = copy.deepcopy(original).double()
    before, parts = weights(net), [torch.ones_like(weight) for weight in net.parameters()]
    torch.manual_seed(0)
    certified.noisy_step(net, parts, 0.01, 50.0, 0.3)
    noise = weights(net) - (0.5 * before - 0.01)
    assert abs(noise.std() / 0.3 - 1) < 0.05  # 3,778 elements: four standard deviations
    assert abs(noise.mean()) < 0.02


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 1 / 25), (30, 1), (85, 1 / 25), (100, 1 / 250_000), (15, 0.52), (57, 0.5287)]
)
def test_step_3_the_rate_is_one_cycle_of_straight_lines(step, expected):
    assert certified.one_cycle(step, 100) == pytest.approx(expected, rel=1e-3)


def test_a_run_equals_a_plain_loop(original):
    net = copy.deepcopy(original).double()
    naive = copy.deepcopy(net).train()
    loader = loaders(TASK, PRECISE, "tuple")[0]
    torch.manual_seed(0)
    certified.unlearning(net, loader, None, None, epochs=3, weights_clip=5.0, gradient_clip=0.5)
    torch.manual_seed(0)
    certified.begin(naive, 5.0)
    std = certified.noise_std(5.0, 0.5, 50.0, 0.01, 1.0, 14)
    step = 0
    for _ in range(3):
        for images, labels in loader:
            naive.zero_grad()
            F.cross_entropy(naive(images), labels).backward()
            norm = torch.cat([weight.grad.flatten() for weight in naive.parameters()]).norm()
            rate = 0.1 * certified.one_cycle(step - 14, 18)
            with torch.no_grad():
                for weight in naive.parameters():
                    if step < 14:
                        gradient = weight.grad * min(1.0, 0.5 / norm.item())
                        weight += -0.01 * (gradient + 50.0 * weight) + std * torch.randn_like(weight)
                    else:
                        weight -= rate * (weight.grad + 5e-4 * weight)
            step += 1
    assert (step, math.ceil(math.log(1000) / 0.5)) == (18, 14)
    torch.testing.assert_close(weights(net), weights(naive), rtol=0, atol=1e-9)


def test_nothing_is_left_of_the_forget_set_and_the_retain_set_is_learned_again(original):
    """At a rate that so few steps need: on the retain set alone, so that the forget set is like unseen images."""
    noisy, learned = (unlearn("certified", original, learning_rate=rate, epochs=30) for rate in (1e-9, 1.0))
    assert loss(noisy, DATA.retain) > 2 > 2 * loss(learned, DATA.retain)
    assert abs(math.log(loss(learned, DATA.forget) / loss(learned, DATA.validation))) < math.log(1.5)
