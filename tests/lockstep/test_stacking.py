import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F
from torchvision import models

from starting_kit import tasks
from starting_kit.lockstep.stacking import Mapped, NotStackableError, stack, unstack
from starting_kit.networks import NETWORKS, build

TASK = tasks.find("digits")
RGB = dataclasses.replace(TASK, image_shape=(3, 32, 32))
MEMBERS, BATCH = 3, 6


class Residual(nn.Module):
    """Operations in `forward` instead of layers: addition, activation, pooling, flattening."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=2, padding_mode="reflect")
        self.head = nn.Linear(8 * 8 * 8, 10)

    def forward(self, images):
        first = F.relu(self.first(F.avg_pool2d(images, 4)))
        second = self.second(first)
        second += first
        return self.head(torch.flatten(0.5 * second, 1))


FAMILIES = {
    "batch-norm": lambda: build(dataclasses.replace(RGB, network="cnn-8-16-16"), 0),
    "all-CNN": lambda: build(dataclasses.replace(RGB, network="all-cnn"), 0),
    "ResNet-18": lambda: models.resnet18(num_classes=10),
    "thin ResNet": lambda: build(dataclasses.replace(RGB, network="resnet18:4"), 0),  # its last stage works on single pixels
    "group-norm": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.GroupNorm(2, 8), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10)
    ),
    "layer-norm": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 8, stride=8), nn.LayerNorm([4, 4, 4]), nn.GELU(), nn.Flatten(), nn.Linear(64, 16, bias=False),
        nn.LayerNorm(16), nn.Linear(16, 16), nn.BatchNorm1d(16), nn.Linear(16, 10),
    ),
    "no convolution": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 16), nn.Tanh(), nn.Linear(16, 10)),
    "operations": Residual,
}  # fmt: skip


def slow_if_large(name):
    """A family, as a parameter."""
    return pytest.param(FAMILIES[name], marks=[pytest.mark.slow] if name in ("ResNet-18", "all-CNN") else [])


@pytest.fixture(autouse=True)
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def randomised(network):
    """Other weights, also where initial weights are all alike, as those of batch-norm."""
    network = copy.deepcopy(network)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.mul_(1 + 0.3 * torch.randn(tensor.shape))
    return network


@pytest.fixture
def members(family):
    torch.manual_seed(0)
    network = family()
    return [randomised(network) for _ in range(MEMBERS)]


def steps(network, batches):
    """Plain training, in train mode; then the logits on the first batch, in eval mode."""
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-3, nesterov=True)
    network.train()
    for images, labels in batches:
        optimiser.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimiser.step()
    with torch.no_grad():
        return network.eval()(batches[0][0])


def batches_of_members(count):
    return [[(torch.randn(BATCH, 3, 32, 32), torch.randint(10, (BATCH,))) for _ in range(MEMBERS)] for _ in range(count)]


def side_by_side(batches):
    return [tuple(torch.cat(parts) for parts in zip(*batch, strict=True)) for batch in batches]


@pytest.mark.parametrize("join", [stack, Mapped])
@pytest.mark.parametrize("family", [slow_if_large(name) for name in FAMILIES], ids=FAMILIES)
def test_an_ordinary_training_loop_trains_each_member_as_alone(members, join):
    batches = batches_of_members(3)
    joined = join(members)
    logits = steps(joined, side_by_side(batches)).view(MEMBERS, BATCH, -1)
    for k, member in enumerate(members):
        alone = steps(member, [batch[k] for batch in batches])
        torch.testing.assert_close(logits[k], alone, rtol=0, atol=1e-9)
    trained = [copy.deepcopy(member) for member in members]
    unstack(joined, members)
    for member, alone in zip(members, trained, strict=True):
        for name, tensor in alone.state_dict().items():
            torch.testing.assert_close(member.state_dict()[name], tensor, rtol=0, atol=1e-8, msg=name)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        ((1, 1), 3, 1, 1),
        ((2, 2), 3, 2, 1),
        ((2, 2), 1, 2, 0),
        ((1, 2), 3, 2, 1),
        ((3, 3), 3, 1, 0),
        ((2, 3), (2, 3), 1, 0),
        ((4, 4), 4, 4, 0),
    ],
)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_single_pixel_is_what_the_grouped_convolution_gives(size, kernel, stride, padding, memory_format):
    """With its first and second derivatives, by finite differences."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, kernel, stride, padding, bias=False) for _ in range(MEMBERS)]
    stacked = nn.Sequential(*stack([nn.Sequential(layer) for layer in layers]).children())  # without its hooks
    images = torch.randn(BATCH, MEMBERS * 2, *size).to(memory_format=memory_format).requires_grad_()
    weight = torch.cat([layer.weight for layer in layers]).detach().to(memory_format=memory_format).requires_grad_()

    def convolution(images, weight):
        return functional_call(stacked, {"0.weight": weight}, (images,))

    expected = F.conv2d(images, weight, stride=stride, padding=padding, groups=MEMBERS)
    assert expected.shape[2:] == (1, 1)
    torch.testing.assert_close(convolution(images, weight), expected, rtol=0, atol=1e-12)
    assert "OnePixel" in type(convolution(images, weight).grad_fn).__name__
    assert torch.autograd.gradcheck(convolution, (images, weight), fast_mode=True)
    assert torch.autograd.gradgradcheck(convolution, (images, weight), fast_mode=True)


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.Conv2d(4, 4, 3, padding="same"), nn.Conv2d(4, 4, 3, padding=1, groups=4)],
)
def test_other_convolutions_of_single_pixels_are_torchs(layer):
    """Those with groups of their own, with padding by name, that are depthwise."""
    members = [nn.Sequential(copy.deepcopy(layer).double()) for _ in range(MEMBERS)]
    images = torch.randn(MEMBERS * BATCH, 4, 1, 1)
    alone = torch.cat([member(part) for member, part in zip(members, images.chunk(MEMBERS), strict=True)])
    torch.testing.assert_close(
        stack([nn.Sequential(*m, nn.Flatten()) for m in members])(images), alone.flatten(1), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("family", [FAMILIES["ResNet-18"]], ids=["ResNet-18"])
def test_a_stacked_network_looks_like_a_member(members):
    stacked = stack(members)
    assert isinstance(stacked, models.ResNet)
    assert isinstance(stacked.fc, nn.Linear)
    assert isinstance(stacked.layer1[0].conv1, nn.Conv2d)
    assert stacked.state_dict().keys() == members[0].state_dict().keys()
    assert stacked.members == MEMBERS
    copied = copy.deepcopy(stacked).eval()
    images = torch.randn(MEMBERS * 2, 3, 32, 32)
    assert torch.equal(copied(images), stacked.eval()(images))


@pytest.mark.parametrize("family", [FAMILIES["ResNet-18"], FAMILIES["layer-norm"]], ids=["ResNet-18", "layer-norm"])
@pytest.mark.parametrize("join", [stack, Mapped])
def test_joining_copies_and_unstacking_gives_the_members_back(members, join):
    joined, blank = join(members), [randomised(member) for member in members]
    with torch.no_grad():
        for tensor in members[0].parameters():
            kept = tensor.clone()
            tensor.zero_()
            break
    unstack(joined, blank)
    assert torch.equal(next(blank[0].parameters()), kept)
    for member, back in zip(members[1:], blank[1:], strict=True):
        for name, tensor in member.state_dict().items():
            assert torch.equal(back.state_dict()[name], tensor), name


def test_unstacking_into_another_architecture_is_refused():
    joined = stack([FAMILIES["group-norm"](), FAMILIES["group-norm"]()])
    with pytest.raises(ValueError, match="not those of its members"):
        unstack(joined, [FAMILIES["layer-norm"](), FAMILIES["layer-norm"]()])
    with pytest.raises(ValueError, match="not those of its members"):
        unstack(joined, [FAMILIES["group-norm"]() for _ in range(3)])


@pytest.mark.parametrize("family", [FAMILIES["batch-norm"]], ids=["batch-norm"])
def test_members_do_not_touch_each_other(members):
    stacked, images = stack(members).train(), torch.randn(MEMBERS * 4, 3, 32, 32)
    stacked(images)[4:8].sum().backward()  # only member 1 has a loss
    for parameter in stacked.parameters():
        assert parameter.grad is not None
        gradients = parameter.grad.reshape(MEMBERS, -1)
        assert gradients[1].abs().sum() > 0
        assert gradients[[0, 2]].abs().sum() == 0
    with torch.no_grad():
        next(iter(stacked.parameters()))[:8].fill_(float("nan"))  # member 0's first convolution has 8 channels
        finite = torch.isfinite(stacked.eval()(images)).view(MEMBERS, -1).all(dim=1)
    assert finite.tolist() == [False, True, True]


class Chunked(nn.Module):
    def forward(self, images):
        first, second = images.chunk(2, dim=1)
        return first + second


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3, 1, 1))

    def forward(self, images):
        return self.scale * images


class Branching(nn.Module):
    def forward(self, images):
        return images if images.sum() > 0 else -images


def tied():
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    network[1].weight = network[0].weight
    return network


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (nn.Sequential(nn.Flatten(), nn.Embedding(3, 2)), r"layer '1' \(Embedding\) cannot be computed for several"),
        (nn.Sequential(nn.Dropout()), r"layer '0' \(Dropout\)"),
        (nn.Sequential(nn.Flatten(0)), r"layer '0' \(Flatten\)"),
        (nn.Sequential(nn.Softmax(dim=1)), r"layer '0' \(Softmax\)"),
        (Chunked(), "the operation 'chunk'"),
        (Scaled(), "the tensor 'scale', which is no layer's"),
        (Branching(), "the forward pass of Branching cannot be traced"),
        (tied(), "weights that layers of Sequential share"),
        (models.vit_b_16(), "the operation 'getattr'"),
        (models.densenet121(), "the operation 'cat'"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_cannot_be_stacked_is_named(network, reason):
    with pytest.raises(NotStackableError, match=reason):
        stack([network, network])


def test_a_batch_that_does_not_divide_is_refused():
    stacked = stack([FAMILIES["no convolution"]() for _ in range(MEMBERS)])
    with pytest.raises(ValueError, match="4 examples are not a multiple of the 3 models"):
        stacked(torch.zeros(4, 3, 32, 32))


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_every_network_by_name_can_be_stacked(network):
    task = dataclasses.replace(TASK, network=network)
    stacked = stack([build(task, seed) for seed in range(MEMBERS)])
    assert stacked(torch.zeros(MEMBERS * 2, *task.image_shape)).shape == (MEMBERS * 2, 10)
