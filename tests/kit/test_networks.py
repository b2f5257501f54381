import copy
import dataclasses
import re

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from starting_kit import contract, networks, runner, tasks
from starting_kit.errors import InputError, SolutionError
from starting_kit.networks import CentredConvolution, Normalise
from starting_kit.tasks.data import Data
from starting_kit.tasks.task import ONE_AT_A_TIME, Engine
from starting_kit.training import train, usable_engine

DIGITS = tasks.find("digits")
COLOUR = dataclasses.replace(tasks.find("cifar10"), image_shape=(3, 8, 8))
COLOUR_RESNET = dataclasses.replace(COLOUR, network="resnet18")


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("cnn-16-32-32", []),
        ("all-cnn", []),
        ("resnet18", ["conv1", "layer4", "fc"]),
        ("resnet18:4", ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"]),
        ("mobilenet_v3_small", ["classifier"]),
        ("timm:resnet18", ["conv1", "layer4", "fc"]),
    ],
)
def test_networks_take_the_images_of_the_task_and_keep_the_names_of_their_layers(name, layers):
    for task in (DIGITS, COLOUR):
        net = networks.build(dataclasses.replace(task, network=name), seed=0)
        assert net.training
        assert net(torch.rand(2, *task.image_shape) * 255).shape == (2, 10)
        assert set(layers) <= dict(net.named_children()).keys()


def test_the_narrow_all_cnn_has_an_eighth_of_the_channels_of_the_published_one():
    nets = [networks.build(dataclasses.replace(DIGITS, network=name), seed=0) for name in ("all-cnn", "all-cnn-12")]
    wide, narrow = ([layer.out_channels for layer in net.children() if isinstance(layer, nn.Conv2d)] for net in nets)
    assert wide == [96] * 3 + [192] * 5 + [10]
    assert narrow == [channels // 8 for channels in wide[:-1]] + [10]


def test_a_seed_gives_a_network_and_leaves_the_random_state_alone():
    task = dataclasses.replace(DIGITS, network="resnet18")
    before = torch.random.get_rng_state()
    first, again, other = (networks.build(task, seed).get_parameter("fc.weight") for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def seen_by(net, images):
    """What reaches the first layer."""
    seen = []
    first = next(layer for layer in net.modules() if isinstance(layer, nn.Conv2d))
    first.register_forward_pre_hook(lambda layer, arguments: seen.append(arguments[0]))
    with torch.inference_mode():
        net.eval()(images)
    return seen[0]


def test_networks_of_libraries_get_normalised_images():
    images = torch.rand(2, 3, 8, 8) * 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (COLOUR.pixel_mean, COLOUR.pixel_std))
    for name in ("resnet18", "timm:resnet18"):
        net = networks.build(dataclasses.replace(COLOUR, network=name), seed=0)
        torch.testing.assert_close(seen_by(net, images), (images - mean) / std)


def test_images_are_brought_to_the_size_that_a_network_needs_or_is_named_after():
    sizes = {"timm:vit_tiny_patch16_224": 224, "timm:tiny_vit_5m_224": 224, "vgg11": 224, "timm:resnet18": 8}
    for name, size in sizes.items():
        net = networks.build(dataclasses.replace(DIGITS, network=name), seed=0)
        assert seen_by(net, torch.rand(2, 1, 8, 8)).shape == (2, 1, size, size)


def test_networks_side_by_side_normalise_each_channel_with_its_own_numbers():
    images = torch.rand(4, 6, 5, 5)
    normalise = Normalise((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    parts = [normalise(part) for part in images.split(3, dim=1)]
    torch.testing.assert_close(normalise(images), torch.cat(parts, dim=1))


def test_a_pixel_sees_the_centre_of_a_kernel_and_everything_else_what_torch_gives_it():
    torch.manual_seed(0)
    for size, groups in ((1, 1), (1, 2), (2, 1)):
        plain = nn.Conv2d(4, 6, 3, padding=1, groups=groups).double()
        ours = copy.deepcopy(plain)
        CentredConvolution.adopt(ours)
        assert isinstance(ours, CentredConvolution)
        images = torch.randn(5, 4, size, size, dtype=torch.float64)
        for layer in (plain, ours):
            layer(images).square().sum().backward()
        torch.testing.assert_close(ours(images), plain(images))
        for name in ("weight", "bias"):
            torch.testing.assert_close(ours.get_parameter(name).grad, plain.get_parameter(name).grad)


def test_only_padded_convolutions_of_three_by_three_know_of_pixels(tmp_path):
    net = networks.build(COLOUR_RESNET, seed=0)
    kinds = {layer.kernel_size: type(layer) for layer in net.modules() if isinstance(layer, nn.Conv2d)}
    assert kinds == {(7, 7): nn.Conv2d, (3, 3): CentredConvolution, (1, 1): nn.Conv2d}
    competition = dataclasses.replace(COLOUR_RESNET, original=tmp_path / "original_model.pth")
    layers = networks.build(competition, seed=0).modules()
    assert not any(isinstance(layer, CentredConvolution) for layer in layers)  # a notebook's, bit for bit


@pytest.mark.parametrize("size", [8, 28, 32])
@pytest.mark.parametrize("width", [4, 24, 64])
def test_a_narrow_resnet_is_torchvisions_but_for_its_channels(width, size):
    task = dataclasses.replace(COLOUR, network=f"resnet18:{width}", image_shape=(3, size, size))
    net, published = networks.build(task, seed=0), resnet18(num_classes=10)
    assert type(net) is type(published)
    assert net.state_dict().keys() == published.state_dict().keys()
    for path, layer in published.named_modules():
        own = net.get_submodule(path)
        if isinstance(layer, nn.Conv2d) and path != "conv1":
            assert (own.kernel_size, own.stride, own.padding) == (layer.kernel_size, layer.stride, layer.padding)
            assert (own.in_channels, own.out_channels) == (layer.in_channels * width // 64, layer.out_channels * width // 64)
            spread = (2 / (own.out_channels * own.kernel_size[0] ** 2)) ** 0.5  # He et al. 2015, fan-out
            assert 0.8 < own.weight.std() / spread < 1.2
    small = size < 32
    assert (net.conv1.kernel_size, net.conv1.stride) == (((3, 3), (1, 1)) if small else ((7, 7), (2, 2)))
    assert isinstance(net.maxpool, nn.Identity if small else nn.MaxPool2d)
    maps = []
    net.layer4.register_forward_hook(lambda layer, arguments, output: maps.append(output.shape[1:]))
    net(torch.rand(2, 3, size, size))
    assert maps == [(8 * width, *[{8: 1, 28: 4, 32: 1}[size]] * 2)]


def test_networks_of_other_names_are_as_they_were():
    net = networks.build(COLOUR_RESNET, seed=3)
    torch.manual_seed(3)
    published = resnet18(num_classes=10).state_dict()
    assert all(torch.equal(published[name], tensor) for name, tensor in net.state_dict().items())


@pytest.mark.slow
def test_a_narrow_resnet_is_trained_in_lockstep_on_digits_and_learns():
    task = dataclasses.replace(DIGITS, network="resnet18:4", recipe=dataclasses.replace(DIGITS.recipe, epochs=2))
    assert usable_engine(task) == (DIGITS.engine, None)
    data = task.load()
    together = train(task, data, data.training, [1, 2], Engine("grouped", 2))
    images, labels = torch.from_numpy(data.images[data.test]).float(), torch.from_numpy(data.labels[data.test])
    for net in together:
        with torch.inference_mode():
            assert (net(images).argmax(1) == labels).float().mean() > 0.5


@pytest.mark.parametrize("network", ["resnet18", "resnet18:4"])
def test_a_network_of_a_library_is_trained_in_lockstep_as_it_is_alone(network):
    task = dataclasses.replace(
        COLOUR_RESNET, network=network, recipe=dataclasses.replace(COLOUR.recipe, epochs=1, batch_size=8)
    )
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (16, 3, 8, 8), generator=rng, dtype=torch.uint8).numpy()
    labels = torch.randint(0, 10, (16,), generator=rng).numpy()
    ids = torch.arange(16).numpy()
    data = Data(images, labels, ids[4:], ids[:4], ids[:0], ids[:0])
    torch.set_default_dtype(torch.float64)
    try:
        together = train(task, data, ids, [1, 2], Engine("grouped", 2))
        alone = [train(task, data, ids, [seed], ONE_AT_A_TIME)[0] for seed in (1, 2)]
    finally:
        torch.set_default_dtype(torch.float32)
    for one, other in zip(together, alone, strict=True):
        for name, tensor in one.state_dict().items():
            torch.testing.assert_close(tensor, other.state_dict()[name], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["resnet18", "timm:vit_tiny_patch16_224"])
def test_large_networks_are_trained_one_at_a_time(name):
    assert usable_engine(dataclasses.replace(DIGITS, network=name)) == (ONE_AT_A_TIME, None)


@pytest.mark.parametrize(
    "name", ["cnn-8-16-16", "resnet18", "resnet18:4", "resnet18:16", "resnet18:512", "timm:tiny_vit_5m_224"]
)
def test_known_networks_are_known(name):
    networks.check(name)


WRONG = ("3", "x", "", "016", "+16", " 16", "16.0", "-16", "513", "1_6", "１６", "9" * 5000)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        *(
            (f"resnet18:{width}", rf"resnet18:WIDTH takes a whole number from 4 to 512, not '{re.escape(width)}'")
            for width in WRONG
        ),
        (
            "resnet81",
            r"no network 'resnet81'; the networks are .*, resnet18:WIDTH, torchvision's, and timm's as timm:NAME\. Did you ",
        ),
        ("timm:resnet81", r"timm has no network 'resnet81'\. Did you mean timm:resnet"),
    ],
)
def test_unknown_networks_name_the_nearest(name, sentence):
    with pytest.raises(InputError, match=sentence):
        networks.check(name)


@pytest.mark.parametrize(
    "reach",
    [
        lambda net: net.fc,
        lambda net: net.layer4[1].conv1,
        lambda net: net.get_submodule("layer4.0"),
        lambda net: net.get_parameter("conv1.weight"),
        lambda net: net.state_dict()["fc.weight"],
        lambda net: dict(net.named_children())["avgpool"],
    ],
)
def test_who_misses_a_layer_of_a_resnet_hears_of_the_narrow_ones(reach):
    with pytest.raises((AttributeError, KeyError)) as missed:
        reach(networks.build(DIGITS, seed=0))
    assert networks.hint(missed.value) == (
        "; this solution is written for a ResNet: --network resnet18:16 gives one that fits this task"
    )
    assert reach(networks.build(dataclasses.replace(DIGITS, network="resnet18:16"), seed=0)) is not None


@pytest.mark.parametrize(
    "reach",
    [
        lambda net: net.classifier,
        lambda net: net.state_dict()["head.weight"],
        lambda net: {}[3],
        lambda net: object().fc,  # type: ignore[attr-defined]
        lambda net: 1 / 0,
    ],
)
def test_other_errors_give_no_hint(reach):
    with pytest.raises((AttributeError, KeyError, ZeroDivisionError)) as error:
        reach(networks.build(DIGITS, seed=0))
    assert networks.hint(error.value) == ""


def test_the_error_of_a_solution_ends_with_the_hint(original, write_solution):
    described = contract.describe(write_solution("torch.nn.init.normal_(net.fc.weight)"), [])
    with pytest.raises(
        SolutionError, match=r"has no attribute 'fc' .*; this solution is written for a ResNet: --network resnet18:16"
    ):
        runner.call(described, copy.deepcopy(original), DIGITS, DIGITS.load(), "tuple")
