"""The data of a task: what a data set's files hold, and which examples belong to which split."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

SPLITS = ("retain", "forget", "validation", "test")
Pixels = NDArray[np.uint8] | NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class DataSet:
    """What the files of a data set hold, and how its users split it. An example's id is its position.

    Attributes:
        images: [examples, channels, height, width], uint8 or float32, the values the source gives (not normalised).
        labels: [examples], int64.
        training: ids, in random order: the first are a random part.
        validation, test: ids.
        subjects: [examples], int64, which person or lesion an image shows, numbered in random order; None where that is
            not known.
        ages: [examples], in years, where labels are groups of ages; None elsewhere.
        forget: ids of the forget set that the data set brings, part of training; None if it brings none.
        remarks: what was odd in the files and is left out, a sentence each.
    """

    images: Pixels
    labels: Ids
    training: Ids
    validation: Ids
    test: Ids
    subjects: Ids | None = None
    forget: Ids | None = None
    ages: Ids | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Data:
    """All examples of a task in the order of their source, and which of them belong to which split.

    Attributes:
        images, labels: as in `DataSet`; labels are what networks are trained on, some of them wrong if the request says so.
        retain, forget, validation, test: example ids, int64, disjoint, ascending.
        subjects, ages, remarks: as in `DataSet`.
    """

    images: Pixels
    labels: Ids
    retain: Ids
    forget: Ids
    validation: Ids
    test: Ids
    subjects: Ids | None = None
    ages: Ids | None = None
    remarks: tuple[str, ...] = ()

    @property
    def training(self) -> Ids:
        """Ids of retain and forget together."""
        return np.concatenate([self.retain, self.forget])

    def group_ages(self, classes: int) -> NDArray[np.float64]:
        """The mean age of each class's training images, [classes], 0 where there are none; only where ages are known."""
        assert self.ages is not None
        labels, ages = self.labels[self.training], self.ages[self.training]
        return np.bincount(labels, ages, classes) / np.bincount(labels, minlength=classes).clip(min=1)

    @cached_property
    def people(self) -> Ids:
        """Whom an image shows, [examples]: its subject, or somebody of its own where that is not known."""
        return np.arange(len(self.labels)) if self.subjects is None else self.subjects

    @cached_property
    def pictures(self) -> Ids:
        """Which of its person's images an image is, [examples], from 0."""
        order = np.argsort(self.people, kind="stable")
        first = np.searchsorted(self.people[order], self.people[order])
        numbers = np.empty_like(order)
        numbers[order] = np.arange(len(order)) - first
        return numbers


def random_splits(examples: int, sizes: tuple[int, ...], seed: int) -> list[Ids]:
    """Ids 0 to examples - 1 in random order, cut into parts of these sizes and the rest."""
    order = np.random.default_rng(seed).permutation(examples)
    return np.split(order, np.cumsum(sizes))
