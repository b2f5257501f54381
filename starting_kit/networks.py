"""Networks by name: our own, narrow ResNets (`resnet18:16`), torchvision's (`resnet18`), timm's (`timm:tiny_vit_5m_224`)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from starting_kit.errors import InputError, did_you_mean
from starting_kit.extras import needs
from starting_kit.tasks.task import Task

TIMM = "timm:"
NARROW = "resnet18:"
LAYERS_OF_A_RESNET = ("conv1", "bn1", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc")
WIDTHS = range(4, 513)  # channels of a narrow ResNet-18's first stage; the published one has 64


class Normalise(nn.Module):
    """(x - mean) / std: part of the network, because images are held as their source gives them.

    Args:
        mean, std: a number per channel; where networks are stacked (`lockstep.stacking`), the channels repeat.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        if len(self.mean) == 1:
            return (images - self.mean[0]) / self.std[0]
        mean, std = (images.new_tensor(v).repeat(images.shape[1] // len(v)).view(-1, 1, 1) for v in (self.mean, self.std))
        return (images - mean) / std


@dataclass(frozen=True)
class Preprocessing:
    """What happens to images before they reach a network taken unchanged from its library: a hook, not a layer.

    This way the network keeps its class and the names of its layers, which notebooks rely on (`net.fc`).

    Attributes:
        normalise: with the data's mean and standard deviation.
        size: height and width that images are resized to, bilinearly; None if the network takes them as they are.
    """

    normalise: Normalise
    size: tuple[int, int] | None

    def __call__(self, network: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
        images = self.normalise(arguments[0])
        if self.size is not None:
            images = F.interpolate(images, self.size, mode="bilinear", antialias=True)
        return (images,)


class CentredConvolution(nn.Conv2d):
    """A 3x3 convolution with padding 1 that uses its kernel's centre alone where the input is a single pixel.

    At 32x32 pixels, the last quarter of a ResNet-18 works on single pixels. There eight ninths of torch's products are with
    padding, by a slow algorithm: more than half of a training step on a CPU (docs/performance.md). The sums are the same.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if input.shape[2:] == (1, 1):
            return F.conv2d(input, weight[:, :, 1:2, 1:2], bias, groups=self.groups)
        output: Tensor = super()._conv_forward(input, weight, bias)
        return output

    @staticmethod
    def adopt(net: nn.Module) -> None:
        """Convert a network's 3x3 convolutions with padding 1; names and weights stay."""
        for layer in net.modules():
            kind = (layer.kernel_size, layer.padding, layer.dilation) if type(layer) is nn.Conv2d else None
            if kind == ((3, 3), (1, 1), (1, 1)) and layer.padding_mode == "zeros":
                layer.__class__ = CentredConvolution


def convolution(channels_in: int, channels_out: int, kernel_size: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution that keeps the image size (or divides it by the stride), batch-norm, ReLU."""
    layer = nn.Conv2d(channels_in, channels_out, kernel_size, stride, padding=kernel_size // 2, bias=False)
    return [layer, nn.BatchNorm2d(channels_out), nn.ReLU()]


def small_cnn(task: Task, widths: tuple[int, int, int]) -> nn.Sequential:
    """Three 3x3 convolutions with batch-norm, max-pooling after the first, global average pooling, a linear head."""
    first, second, third = widths
    return nn.Sequential(
        Normalise(task.pixel_mean, task.pixel_std),
        *convolution(task.image_shape[0], first),
        nn.MaxPool2d(2),
        *convolution(first, second),
        *convolution(second, third),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(third, task.classes),
    )


def all_cnn(task: Task, widths: tuple[int, int] = (96, 192)) -> nn.Sequential:
    """All-CNN-C (Springenberg et al. 2015, https://arxiv.org/abs/1412.6806, table 1) with batch-norm and without dropout."""
    narrow, wide = widths
    return nn.Sequential(
        Normalise(task.pixel_mean, task.pixel_std),
        *convolution(task.image_shape[0], narrow),
        *convolution(narrow, narrow),
        *convolution(narrow, narrow, stride=2),
        *convolution(narrow, wide),
        *convolution(wide, wide),
        *convolution(wide, wide, stride=2),
        *convolution(wide, wide),
        *convolution(wide, wide, kernel_size=1),
        nn.Conv2d(wide, task.classes, kernel_size=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def torchvision_network(task: Task, name: str) -> nn.Module:
    """A torchvision network, whose first convolution is replaced if the images have another number of channels."""
    from torchvision import models  # takes half a second to import

    net = models.get_model(name, weights=None, num_classes=task.classes)
    channels = task.image_shape[0]
    path, stem = next((path, layer) for path, layer in net.named_modules() if isinstance(layer, nn.Conv2d))
    if stem.in_channels != channels:
        shape: Any = {name: getattr(stem, name) for name in ("out_channels", "kernel_size", "stride", "padding")}
        net.set_submodule(path, nn.Conv2d(channels, **shape, bias=stem.bias is not None))
    return _prepared(task, net, (224, 224))


def narrow_resnet(task: Task, width: int) -> nn.Module:
    """Torchvision's ResNet-18 with another number of channels, for code that reaches for its layers (`net.layer4`, `net.fc`).

    Below 32 pixels the stem is a 3x3 convolution of stride 1 without pooling, as is usual for small images.

    Args:
        task: gives the images' shape and the number of classes.
        width: channels of the first stage; each further stage has twice as many.
    """
    from torchvision.models.resnet import BasicBlock, ResNet

    with torch.device("meta"):  # the layers with weights are all replaced
        net = ResNet(BasicBlock, [2, 2, 2, 2], num_classes=task.classes)
    channels, *size = task.image_shape
    net.inplanes = width
    if min(size) < 32:
        net.conv1 = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False)
        net.maxpool = nn.Identity()
    else:
        net.conv1 = nn.Conv2d(channels, width, kernel_size=7, stride=2, padding=3, bias=False)
    net.bn1 = nn.BatchNorm2d(width)
    for stage, stride in enumerate((1, 2, 2, 2)):
        setattr(net, f"layer{stage + 1}", net._make_layer(BasicBlock, width * 2**stage, blocks=2, stride=stride))
    net.fc = nn.Linear(8 * width, task.classes)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):  # as torchvision does
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return _prepared(task, net, (224, 224))


def timm_network(task: Task, name: str) -> nn.Module:
    """A timm network; images are resized to its input size if its name ends with it (`tiny_vit_5m_224`) or it needs that.

    Raises:
        InputError: timm is not installed.
    """
    with needs("timm"):
        import timm

    net = timm.create_model(name, num_classes=task.classes, in_chans=task.image_shape[0])
    data_config: Callable[[nn.Module], dict[str, Any]] = timm.data.config.resolve_model_data_config
    _, height, width = data_config(net)["input_size"]
    return _prepared(task, net, (height, width), always=name.endswith(f"_{height}"))


def _prepared(task: Task, net: nn.Module, size: tuple[int, int], always: bool = False) -> nn.Module:
    """The network with its preprocessing; unless `always`, images are resized only if it cannot take the task's size."""
    if task.original is None:  # otherwise it must agree with torchvision's own to the last bit, as in a notebook
        CentredConvolution.adopt(net)
    fitting = size if always or not _takes(net, task.image_shape) else None
    net.register_forward_pre_hook(Preprocessing(Normalise(task.pixel_mean, task.pixel_std), fitting))
    return net.train()


def _takes(net: nn.Module, image_shape: tuple[int, int, int]) -> bool:
    try:
        with torch.inference_mode():
            net.eval()(torch.zeros(2, *image_shape))
    except (RuntimeError, AssertionError, ValueError):  # what layers raise for images that are too small or of a wrong size
        return False
    return True


NETWORKS: dict[str, Callable[[Task], nn.Module]] = {
    "cnn-8-16-16": partial(small_cnn, widths=(8, 16, 16)),
    "cnn-16-32-32": partial(small_cnn, widths=(16, 32, 32)),
    "all-cnn": all_cnn,
    "all-cnn-12": partial(all_cnn, widths=(12, 24)),  # an eighth of the width
}


def check(name: str) -> None:
    """Check that a network exists.

    Raises:
        InputError: there is no network with that name, or it is timm's, which is not installed.
    """
    if name in NETWORKS:
        return
    if name.startswith(TIMM):
        with needs("timm"):
            import timm
        if not timm.is_model(name.removeprefix(TIMM)):
            known = [TIMM + other for other in timm.list_models()]
            raise InputError(f"timm has no network {name.removeprefix(TIMM)!r}.{did_you_mean(name, known)}")
        return
    if name.startswith(NARROW):
        width = name.removeprefix(NARROW)
        if not re.fullmatch("[1-9][0-9]{0,3}", width, re.ASCII) or int(width) not in WIDTHS:
            raise InputError(f"resnet18:WIDTH takes a whole number from {WIDTHS[0]} to {WIDTHS[-1]}, not {width!r}.")
        return
    from torchvision import models

    known = [*NETWORKS, *models.list_models(module=models)]
    if name not in known:
        raise InputError(
            f"There is no network {name!r}; the networks are {', '.join(NETWORKS)}, resnet18:WIDTH, torchvision's, and timm's "
            f"as timm:NAME.{did_you_mean(name, known)}"
        )


def hint(error: BaseException) -> str:
    """The end of a sentence about an error, where it says that a network lacks what a ResNet has; else empty."""
    if isinstance(error, AttributeError) and isinstance(error.obj, nn.Module | None):  # net.fc, net.get_submodule("layer4.0")
        missing = re.search(r"has no attribute [`'](\w+)[`']", str(error))
        name = missing[1] if missing else ""
    else:  # net.state_dict()["fc.weight"]
        name = str(error.args[0]).partition(".")[0] if isinstance(error, KeyError) and error.args else ""
    if name not in LAYERS_OF_A_RESNET:
        return ""
    return f"; this solution is written for a ResNet: --network {NARROW}16 gives one that fits this task"


def build(task: Task, seed: int) -> nn.Module:
    """The task's network with the initial weights that a seed determines.

    The global random state is left unchanged. Weights have torch's default dtype.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if task.network in NETWORKS:
            return NETWORKS[task.network](task)
        if task.network.startswith(TIMM):
            return timm_network(task, task.network.removeprefix(TIMM))
        if task.network.startswith(NARROW):
            return narrow_resnet(task, int(task.network.removeprefix(NARROW)))
        return torchvision_network(task, task.network)
