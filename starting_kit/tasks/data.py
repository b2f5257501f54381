"""The data of a task: what a data set holds, and which examples belong to which split."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

SPLITS = ("retain", "forget", "validation", "test")
Pixels = NDArray[np.uint8] | NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class DataSet:
    """A data set as its files hold it, and its official or customary splits. An example's id is its position.

    Attributes:
        images: [examples, channels, height, width], uint8 or float32, the values the source gives (not normalised).
        labels: [examples], int64.
        training: ids, in random order, so that the first n of them are a random sample.
        validation, test: ids.
        subjects: [examples], int64, the person or lesion that an image shows, numbered in random order; None if unknown.
        forget: ids of the forget set that comes with the data set, a part of training; None if there is none.
        ages: [examples], in years, where labels are age groups; None elsewhere.
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
        images, labels: as in `DataSet`; networks are trained on these labels, some of them wrong if the forget request says so.
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
        """Ids of the retain and the forget set together."""
        return np.concatenate([self.retain, self.forget])

    def group_ages(self, classes: int) -> NDArray[np.float64]:
        """The mean age of each class's training images, [classes], 0 where there are none. Ages must be known."""
        assert self.ages is not None
        labels, ages = self.labels[self.training], self.ages[self.training]
        means: NDArray[np.float64] = np.bincount(labels, ages, classes) / np.bincount(labels, minlength=classes).clip(min=1)
        return means

    @cached_property
    def people(self) -> Ids:
        """The person that each image shows, [examples]: its subject or, where subjects are unknown, a person of its own."""
        return np.arange(len(self.labels)) if self.subjects is None else self.subjects

    @cached_property
    def pictures(self) -> Ids:
        """The number of each image among the images of its person, [examples], from 0."""
        order = np.argsort(self.people, kind="stable")
        first = np.searchsorted(self.people[order], self.people[order])
        numbers = np.empty_like(order)
        numbers[order] = np.arange(len(order)) - first
        return numbers


def random_splits(examples: int, sizes: tuple[int, ...], seed: int) -> list[Ids]:
    """Ids 0 to examples - 1 in random order, cut into parts of these sizes and a last part with the rest."""
    order = np.random.default_rng(seed).permutation(examples)
    return np.split(order, np.cumsum(sizes))
