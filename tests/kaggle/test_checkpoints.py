"""Checkpoints as the competition's scorer reads them."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.optim.swa_utils import AveragedModel
from torchvision.models import resnet18

from starting_kit.kaggle.checkpoints import loaded
from starting_kit.unwrapping import unwrapped


@pytest.fixture(scope="module")
def original():
    return resnet18(num_classes=10).eval()


@pytest.fixture
def net(original):
    return copy.deepcopy(original)


class Adapted(nn.Module):
    """A layer as peft's LoRA leaves it."""

    def __init__(self, layer):
        super().__init__()
        self.base_layer, self.lora_A = layer, nn.Linear(layer.in_features, 2, bias=False)


def adapted(net):
    net.fc = Adapted(net.fc)


def pruned(net):
    prune.l1_unstructured(net.fc, "weight", 0.5)


def weight_normed(net):
    parametrizations.weight_norm(net.fc)


def quantised(net):
    net.fc = torch.ao.quantization.quantize_dynamic(nn.Sequential(net.fc), {nn.Linear}, dtype=torch.qint8)[0]


def integers(net):
    net.fc.weight = nn.Parameter(net.fc.weight.to(torch.int8), requires_grad=False)


def another_head(net):
    net.fc = nn.Linear(512, 20)


def deeper_head(net):
    net.fc = nn.Sequential(net.fc, nn.Linear(10, 10))


def without_statistics(net):
    net.bn1 = nn.Identity()


def without_weights(net):
    net.to("meta")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (adapted, r"has adapters \(LoRA\): return it with the adapters merged"),
        (pruned, "make them permanent"),
        (weight_normed, "make them permanent"),
        (quantised, "is quantised: return it with floating-point weights"),
        (integers, "is quantised"),
        (another_head, r"other layers than the competition's ResNet-18: fc.weight is \[20, 512\], not \[10, 512\]"),
        (deeper_head, "other layers than the competition's ResNet-18: fc.bias is missing"),
        (without_statistics, "bn1.bias is missing"),
        (without_weights, "has no weights"),
    ],
)
def test_what_the_competition_cannot_load_is_refused(net, change, sentence):
    change(net)
    with pytest.raises(ValueError, match=sentence):
        loaded(net.state_dict(), 10)


def wrapped_twice(net):
    return nn.DataParallel(torch.compile(nn.DataParallel(net)))


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile, AveragedModel, wrapped_twice])
def test_wrappers_are_taken_off(original, net, wrap):
    net.layer4 = nn.DataParallel(net.layer4)
    with pytest.raises(ValueError, match=r"is wrapped|is missing"):
        loaded(wrap(net).state_dict(), 10)
    state = loaded(unwrapped(wrap(net)).state_dict(), 10).state_dict()
    assert all(tensor.equal(state[name]) for name, tensor in original.state_dict().items())


def test_half_precision_is_cast(original):
    state = loaded(
        {name: t.half() if t.is_floating_point() else t for name, t in original.state_dict().items()}, 10
    ).state_dict()
    assert state["fc.weight"].equal(original.fc.weight.half().float())
