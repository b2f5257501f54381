"""CIFAR-100: 60,000 pictures of 100 classes, 32x32 pixels (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html)."""

import dataclasses
from pathlib import Path

import numpy as np

from starting_kit.tasks.cifar10 import SEED
from starting_kit.tasks.cifar10 import TASK as CIFAR10
from starting_kit.tasks.data import DataSet
from starting_kit.tasks.readers.torchvision_data import data_set, fetch

MEAN, STD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)  # of pixels in [0, 1]


def _read(folder: Path) -> DataSet:
    parts = (fetch(folder, "CIFAR100", train=train) for train in (True, False))
    training, held_out = ((part.data.transpose(0, 3, 1, 2), np.array(part.targets)) for part in parts)
    return data_set(training, held_out, SEED)


TASK = dataclasses.replace(
    CIFAR10,
    name="cifar100",
    summary="CIFAR-100, 32x32 pixels; 5,000 of 50,000 training images are to be forgotten",
    read=_read,
    needs="cifar-100-python/, as torchvision leaves it",
    marker_globs=("cifar-100-python",),
    classes=100,
    pixel_mean=tuple(255 * value for value in MEAN),
    pixel_std=tuple(255 * value for value in STD),
)
