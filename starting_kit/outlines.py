"""What a loader's data set says of itself, and what code for other data sets may ask of it."""

from dataclasses import dataclass
from typing import Any, NoReturn

from torch.utils.data import Dataset

IN_MEMORY = "its images are in memory and have no paths; read dataset[i] or iterate over a loader, and labels from .targets"
AS_THEY_ARE = "images and labels come as they are; transform batches, or wrap it in a data set of your own"
# Attributes of data sets that people know, and that these do not have.
ABSENT = {
    "indices": "it is no subset of another; its examples have the numbers from 0 to len(dataset) - 1",
    "dataset": "it is no subset of another, but the data set itself",
    **dict.fromkeys(("samples", "imgs", "data"), IN_MEMORY),
    "labels": "read them from .targets",
    **dict.fromkeys(("transform", "target_transform"), AS_THEY_ARE),
}


@dataclass(frozen=True)
class Outline:
    """What may be known of some examples that nobody may look at.

    Attributes:
        length: how many there are.
        classes: labels that occur, ascending.
        image_shape: channels, height, width.
        pixel_mean, pixel_std: what the network normalises with, a number for each channel.
        pixel_range: the least and the greatest value that a pixel can have.
    """

    length: int
    classes: tuple[int, ...]
    image_shape: tuple[int, int, int]
    pixel_mean: tuple[float, ...]
    pixel_std: tuple[float, ...]
    pixel_range: tuple[float, float]


class Outlined(Dataset[Any]):
    """A data set that tells its outline."""

    def __init__(self, outline: Outline) -> None:
        self.outline = outline

    def __len__(self) -> int:
        return self.outline.length

    @property
    def classes(self) -> tuple[int, ...]:
        """Labels that occur among the examples, ascending."""
        return self.outline.classes

    @property
    def targets(self) -> tuple[int, ...]:
        """Labels of the examples, in their order; refused where examples cannot be read one by one."""
        return tuple(int(self[i][1]) for i in range(len(self)))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.outline.image_shape

    @property
    def pixel_mean(self) -> tuple[float, ...]:
        """What the network subtracts from pixel values, a number for each channel."""
        return self.outline.pixel_mean

    @property
    def pixel_std(self) -> tuple[float, ...]:
        """What it divides them by then."""
        return self.outline.pixel_std

    @property
    def pixel_range(self) -> tuple[float, float]:
        """The least and the greatest value that a pixel can have."""
        return self.outline.pixel_range

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"the data set of a loader has no {name!r}: {ABSENT[name]}"
            if name in ABSENT
            else f"{type(self).__name__!r} object has no attribute {name!r}"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ABSENT or name == "targets":
            raise AttributeError(
                f"setting {name!r} of a loader's data set would change nothing of what it gives; "
                "change the batches, or wrap it in a data set of your own"
            )
        super().__setattr__(name, value)
