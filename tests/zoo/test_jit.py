import copy
import dataclasses

import pytest
import torch
from torch import nn

from solutions import jit
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, accuracy, examples, loss, small_net, unlearn, weights

PRECISE = dataclasses.replace(DATA, images=DATA.images.astype("float64"))


def naive_steepness(net, images, noise, neighbours):
    """One image after another, with the noise that the solution draws."""
    scale = images.std()
    draws = [torch.randn_like(images) for _ in range(neighbours)]
    total = 0
    for index, image in enumerate(images):
        for draw in draws:
            near = (image + noise * scale * draw[index]).clamp(images.min(), images.max())
            rise = torch.linalg.vector_norm(net(near[None])[0] - net(image[None])[0])
            total = total + rise / (torch.linalg.vector_norm(near - image) / scale) / neighbours
    return total


class Divided(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, images):
        return images / self.by


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("jit"), []).hyperparameters == {
        "noise": 0.01,
        "neighbours": 25,
        "learning_rate": 3e-4,
    }


def test_steps_1_and_2_equal_a_loop_over_images_and_so_does_the_gradient():
    """Through the logits of the neighbours as well: the published code takes them for constants."""
    net = small_net()
    images = examples(DATA.forget[:5])[0].double()
    found = []
    for steepness in (jit.steepness, naive_steepness):
        args = (net, images, 0.3, 3)
        torch.manual_seed(0)
        value = steepness(*args)
        found.append((value, *torch.autograd.grad(value, list(net.parameters()))))
    torch.testing.assert_close(*found)


def test_step_1_neighbours_have_the_noise_and_stay_in_the_range_of_their_own_models_batch():
    several = nn.Identity()
    several.members = 2
    images = torch.linspace(0, 1, 2000).reshape(2, 1, 20, 50) + torch.tensor([0.0, 10.0]).reshape(2, 1, 1, 1)
    torch.manual_seed(0)
    near = jit.neighbour(several, images, torch.tensor([[0.05], [0.5]]))
    for model, std in enumerate((0.05, 0.5)):
        assert images[model].min() == near[model].min() and near[model].max() == images[model].max()  # some are cut
        inside = (near[model] > images[model].min()) & (near[model] < images[model].max())
        assert (near[model] - images[model])[inside].std() <= 1.1 * std
    middle = images[0].flatten()[400:600]
    assert (near[0].flatten()[400:600] - middle).std() == pytest.approx(0.05, rel=0.2)


def test_steepness_does_not_depend_on_the_scale_of_pixels():
    net, images = small_net(), examples(DATA.forget[:5])[0].double()
    found = []
    for scale in (1, 10):
        torch.manual_seed(0)
        scaled = nn.Sequential(Divided(scale), net)
        found.append(jit.steepness(scaled, scale * images, 0.1, 2))
    torch.testing.assert_close(*found)


def test_step_3_is_one_step_per_batch_and_needs_nothing_else(original):
    net = copy.deepcopy(original).double()
    naive = copy.deepcopy(net).eval()
    forget = loaders(TASK, PRECISE, "tuple")[1]
    torch.manual_seed(0)
    jit.unlearning(net, None, forget, None, neighbours=2)
    torch.manual_seed(0)
    for images, _ in forget:
        gradients = torch.autograd.grad(jit.steepness(naive, images, 0.01, 2), list(naive.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(naive.parameters(), gradients, strict=True):
                weight -= 3e-4 * gradient
    assert len(forget) == 2
    torch.testing.assert_close(weights(net), weights(naive), rtol=0, atol=1e-9)
    assert all(torch.equal(*pair) for pair in zip(net.buffers(), naive.buffers(), strict=True))  # statistics stay


def test_flattens_the_network_around_the_forget_examples(original):
    unlearned = unlearn("jit", original)
    images = examples(DATA.forget)[0]
    before, after = (jit.steepness(net, images, 0.01, 5).item() for net in (original, unlearned))
    assert after < 0.97 * before
    assert loss(unlearned, DATA.forget) > 1.2 * loss(original, DATA.forget)
    assert accuracy(unlearned, DATA.retain) > 0.95
