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


def small_cnn(task: Task, widths: tuple[int, int, int]) -> nn.Sequential:
    """Three 3x3 convolutions with batch-norm, pooling after the second, global average, linear head."""
    first, second, third = widths

    def convolution(channels_in: int, channels_out: int) -> list[nn.Module]:
        layer = nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1, bias=False)
        return [layer, nn.BatchNorm2d(channels_out), nn.ReLU()]

    return nn.Sequential(
        Normalise(task.pixel_mean, task.pixel_std),
        *convolution(1, first),
        *convolution(first, second),
        nn.MaxPool2d(2),
        *convolution(second, third),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(third, task.classes),
    )


NETWORKS = {
    "cnn-8-16-16": lambda task: small_cnn(task, (8, 16, 16)),
    "cnn-16-32-32": lambda task: small_cnn(task, (16, 32, 32)),
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
