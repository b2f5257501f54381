"""SVHN: 99,289 house numbers, 32x32 pixels (Netzer et al. 2011, http://ufldl.stanford.edu/housenumbers)."""

import dataclasses
from pathlib import Path

from starting_kit.tasks.cifar10 import SEED
from starting_kit.tasks.cifar10 import TASK as CIFAR10
from starting_kit.tasks.data import DataSet
from starting_kit.tasks.readers.torchvision_data import data_set, fetch

MEAN, STD = (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)  # of pixels in [0, 1]


def _read(folder: Path) -> DataSet:
    parts = (fetch(folder, "SVHN", split=split) for split in ("train", "test"))
    training, held_out = ((part.data, part.labels) for part in parts)
    return data_set(training, held_out, SEED)


TASK = dataclasses.replace(
    CIFAR10,
    name="svhn",
    summary="Street View house numbers, 32x32 pixels; 10 % of 73,257 training images are to be forgotten",
    read=_read,
    needs="train_32x32.mat and test_32x32.mat, as torchvision leaves them",
    marker_globs=("train_32x32.mat",),
    recipe=dataclasses.replace(CIFAR10.recipe, augment=False),  # a mirrored number is not a number
    pixel_mean=tuple(255 * value for value in MEAN),
    pixel_std=tuple(255 * value for value in STD),
)
