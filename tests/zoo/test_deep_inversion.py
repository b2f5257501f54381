import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from solutions.parts import deep_inversion
from trials import CLASS_TASK, resnet, spec_of

CLASSES = (0, 1, 2, 4)


def inverted(net, seed=0, per_class=16, **settings):
    torch.manual_seed(seed)
    settings = deep_inversion.Settings(**{"iterations": 60, "statistics_weight": 1.0, **settings})
    return deep_inversion.invert(net, spec_of(net), CLASSES, per_class, settings)


@torch.no_grad()
def mismatch(net, images):
    """The sum over all batch-norm layers, by the layers' inputs."""
    inputs, total = {}, 0.0
    layers = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    hooks = [layer.register_forward_pre_hook(lambda layer, given: inputs.update({layer: given[0]})) for layer in layers]
    net(images)
    for layer in layers:
        features = inputs[layer].transpose(0, 1).flatten(1)
        total += (features.mean(dim=1) - layer.running_mean).square().sum().sqrt().item()
        total += (features.var(dim=1, correction=0) - layer.running_var).square().sum().sqrt().item()
    for hook in hooks:
        hook.remove()
    return total


def test_there_are_as_many_images_of_each_class_as_asked_for_and_every_batch_mixes_them(original):
    images, labels = inverted(original, per_class=3, iterations=1)
    assert images.shape == (12, 1, 8, 8)
    assert labels.tolist() == list(CLASSES) * 3


def test_the_network_sees_in_each_image_the_class_it_was_made_for(original):
    images, labels = inverted(original)
    noise, _ = inverted(original, iterations=0)
    with torch.no_grad():
        assert (original(noise).argmax(dim=1) == labels).double().mean() < 0.5
        assert (original(images).argmax(dim=1) == labels).double().mean() > 0.9


def test_images_are_within_the_range_of_pixels(original):
    images, _ = inverted(original, iterations=40, learning_rate=1.0)
    assert (images.min().item(), images.max().item()) == pytest.approx((0, 16), abs=1e-5)


def test_without_iterations_they_are_normal_noise_on_the_scale_of_the_pixels(original):
    images, _ = inverted(original, per_class=64, iterations=0)
    assert images.mean().item() == pytest.approx(CLASS_TASK.pixel_mean[0], rel=0.03)
    assert images.std().item() == pytest.approx(CLASS_TASK.pixel_std[0], rel=0.03)


def test_the_mismatch_falls_if_it_counts(original):
    noise, _ = inverted(original, iterations=0)
    images, _ = inverted(original)
    careless, _ = inverted(original, statistics_weight=0.0)
    assert mismatch(original, images) < mismatch(original, noise) / 3
    assert mismatch(original, images) < mismatch(original, careless) / 3


def test_the_mismatch_is_that_of_every_batch_norm_layer():
    for net in (resnet(), nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5), nn.BatchNorm1d(5)).eval()):
        images = torch.randn(6, 3, 32, 32)
        with torch.no_grad(), deep_inversion.statistics_mismatch(net) as mismatches:
            net(images)
        assert len(mismatches) == sum(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in net.modules())
    net = resnet()
    with torch.no_grad(), deep_inversion.statistics_mismatch(net) as mismatches:
        net(images)
    assert sum(mismatches).item() == pytest.approx(mismatch(net, images), rel=1e-4)


@pytest.mark.parametrize("layer", [nn.Identity(), nn.BatchNorm2d(8, track_running_stats=False)])
def test_a_network_without_running_statistics_gets_images_of_its_classes_too(layer):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), layer, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10))
    (images, labels), (noise, _) = (inverted(net, iterations=iterations, jitter=0) for iterations in (30, 0))
    with torch.no_grad():
        assert F.cross_entropy(net(images), labels) < F.cross_entropy(net(noise), labels) - 0.3


def test_variation_and_norm_fall_if_they_count(original):
    def of(images):
        z = (images - CLASS_TASK.pixel_mean[0]) / CLASS_TASK.pixel_std[0]
        return deep_inversion.total_variation(z), deep_inversion.mean_square(z)

    plain, smooth, small = (
        of(inverted(original, per_class=4, iterations=30, **weight)[0])
        for weight in ({}, {"variation_weight": 10.0}, {"norm_weight": 10.0})
    )
    assert smooth[0] < plain[0] / 2
    assert small[1] < plain[1] / 2


def test_variation_and_norm_equal_naive_versions():
    images = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = 0.0
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        squares = 0.0
        for row in range(4 - down):
            for column in range(max(0, -right), 5 - max(0, right)):
                squares += (images[:, :, row + down, column + right] - images[:, :, row, column]).square().sum().item()
        expected += squares**0.5
    assert deep_inversion.total_variation(images).item() == pytest.approx(expected)
    assert deep_inversion.mean_square(images).item() == pytest.approx(images.square().sum().item() / 2)


def test_jitter_moves_the_whole_batch_the_same_way_around_the_edges():
    torch.manual_seed(0)
    images = torch.arange(2 * 64.0).reshape(2, 1, 8, 8)
    ways = {(down, right): images.roll((down, right), (2, 3)) for down in range(-2, 3) for right in range(-2, 3)}
    seen = set()
    for _ in range(500):
        moved = deep_inversion.shifted(images, 1 / 4)
        (way,) = [way for way, expected in ways.items() if torch.equal(moved, expected)]
        seen.add(way)
    assert seen == set(ways)
    assert torch.equal(deep_inversion.shifted(images, 0), images)


@pytest.mark.parametrize(("width", "most"), [(8, 0), (28, 2), (32, 2), (224, 14)])
def test_a_shift_is_a_share_of_the_width(width, most):
    torch.manual_seed(0)
    columns = torch.arange(width).expand(1, 1, width, width)
    firsts = {deep_inversion.shifted(columns, 1 / 16)[0, 0, 0, 0].item() for _ in range(500)}
    assert firsts == {-shift % width for shift in range(-most, most + 1)}


def test_the_learning_rate_falls_as_a_cosine():
    """A loss with a gradient of constant sign: Adam's steps are the learning rate."""
    z, seen = torch.zeros(1, requires_grad=True), []
    ends = torch.tensor(-9.0), torch.tensor(9.0)
    deep_inversion.descend(z, lambda z: seen.append(z.item()) or z.sum(), ends, iterations=10, learning_rate=0.1)
    steps = torch.tensor(seen[:-1]) - torch.tensor(seen[1:])
    expected = 0.05 * (1 + torch.cos(torch.pi * torch.arange(9) / 10))
    torch.testing.assert_close(steps, expected, rtol=1e-4, atol=1e-6)


def test_the_network_is_left_alone_and_images_differ_from_run_to_run(original):
    net = copy.deepcopy(original).train()
    net[1].weight.requires_grad_(False)
    short = partial(inverted, net, per_class=2, iterations=3)
    first, again, other = short(seed=0)[0], short(seed=0)[0], short(seed=1)[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), original.state_dict().values(), strict=True))
    assert all(weight.grad is None for weight in net.parameters())
    assert [weight.requires_grad for weight in net.parameters()].count(False) == 1
    assert not net.training
    assert not any(module._forward_hooks for module in net.modules())


def test_it_is_no_solution():
    from starting_kit import contract

    assert "deep_inversion" not in contract.zoo()
