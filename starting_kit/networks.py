"""The networks, by name."""

import torch
from torch import Tensor, nn

from starting_kit.tasks import Task


class Normalise(nn.Module):
    """(x - mean) / std: part of the network, because images are held as their source gives them."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def convolution(channels_in: int, channels_out: int, kernel_size: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution that keeps the size (or divides it by the stride), batch-norm, ReLU."""
    layer = nn.Conv2d(channels_in, channels_out, kernel_size, stride, padding=kernel_size // 2, bias=False)
    return [layer, nn.BatchNorm2d(channels_out), nn.ReLU()]


def small_cnn(task: Task, widths: tuple[int, int, int]) -> nn.Sequential:
    """Three 3x3 convolutions with batch-norm, pooling after the first, global average, linear head."""
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


def all_cnn(task: Task) -> nn.Sequential:
    """All-CNN-C of Springenberg et al. (2015, https://arxiv.org/abs/1412.6806, table 1), with batch-norm and no dropout."""
    return nn.Sequential(
        Normalise(task.pixel_mean, task.pixel_std),
        *convolution(task.image_shape[0], 96),
        *convolution(96, 96),
        *convolution(96, 96, stride=2),
        *convolution(96, 192),
        *convolution(192, 192),
        *convolution(192, 192, stride=2),
        *convolution(192, 192),
        *convolution(192, 192, kernel_size=1),
        nn.Conv2d(192, task.classes, kernel_size=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def resnet18(task: Task) -> nn.Sequential:
    """ResNet-18 as torchvision has it, but that its first convolution takes the images' number of channels."""
    from torchvision.models import resnet18  # type: ignore[import-untyped]  # half a second to import

    net = resnet18(num_classes=task.classes)
    channels = task.image_shape[0]
    if channels != net.conv1.in_channels:
        net.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    return nn.Sequential(Normalise(task.pixel_mean, task.pixel_std), net)


NETWORKS = {
    "cnn-8-16-16": lambda task: small_cnn(task, (8, 16, 16)),
    "cnn-16-32-32": lambda task: small_cnn(task, (16, 32, 32)),
    "all-cnn": all_cnn,
    "resnet18": resnet18,
}


def build(task: Task, seed: int) -> nn.Module:
    """The task's network with the initial weights that belong to a seed.

    The global random state is left as it was. Weights have torch's default dtype.

    Raises:
        KeyError: the task names a network that does not exist.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[task.network](task)
