"""Shape, scale and classes of the data, for solutions that make images up."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, in_order


@dataclass(frozen=True)
class DataSpec:
    """What a solution that makes images up may know about the data.

    Attributes:
        image_shape: channels, height, width.
        forget: the classes of the forget set, ascending.
        retain: the other classes of the retain set, ascending.
        mean, std: of each channel's pixel values, [channels, 1, 1], on the network's device and in its type.
        pixel_range: the least and the greatest value that a pixel can have.
    """

    image_shape: tuple[int, int, int]
    forget: tuple[int, ...]
    retain: tuple[int, ...]
    mean: Tensor
    std: Tensor
    pixel_range: tuple[float, float]

    def pixels(self, normalised: Tensor) -> Tensor:
        """Images of mean 0 and deviation 1 in pixel values, both [images, channels, height, width]."""
        return self.mean + self.std * normalised

    def normalised_range(self) -> tuple[Tensor, Tensor]:
        """The least and the greatest value of a normalised pixel, [channels, 1, 1] each."""
        least, greatest = ((value - self.mean) / self.std for value in self.pixel_range)
        return least, greatest


def data_spec(net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any]) -> DataSpec:
    """What the loaders tell without showing an example; where they tell nothing, the examples are read.

    Raises:
        ValueError: every class is in the forget set.
    """
    retain, forget = (_told(loader) or _looked_at(loader, net) for loader in (retain_loader, forget_loader))
    image_shape, classes, *scale, pixel_range = retain
    if not set(classes) - set(forget[1]):
        raise ValueError("every class is in the forget set, but this forgets whole classes: use --forget class:ID")
    weight = next(net.parameters())
    mean, std = (weight.new_tensor(values).view(-1, 1, 1) for values in scale)
    return DataSpec(image_shape, forget[1], tuple(c for c in classes if c not in forget[1]), mean, std, pixel_range)


def _told(loader: DataLoader[Any]) -> tuple[Any, ...] | None:
    """Image shape, classes, mean, deviation and range that a data set tells of itself, None if it does not."""
    names = ("image_shape", "classes", "pixel_mean", "pixel_std", "pixel_range")
    dataset = loader.dataset
    return tuple(getattr(dataset, name) for name in names) if all(hasattr(dataset, name) for name in names) else None


def _looked_at(loader: DataLoader[Any], net: nn.Module) -> tuple[Any, ...]:
    """The same, from the examples."""
    images, labels = (torch.cat(parts) for parts in zip(*batches(in_order(loader), net), strict=True))
    std, mean = torch.std_mean(images, dim=(0, 2, 3))
    ends = images.min().item(), images.max().item()
    return tuple(images.shape[1:]), tuple(labels.unique().tolist()), mean.tolist(), std.tolist(), ends
