"""A task: data set + forget request + network + training recipe, with a name and a version.

Each module of this package defines one task as `TASK`, and `of_folder(folder)` too where the files of its data determine more
of it; `find` gives it by name. Nothing here needs torch, so that the process that scores can know a task without loading it.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from starting_kit import forget_requests
from starting_kit.errors import InputError, did_you_mean

SPLITS = ("retain", "forget", "validation", "test")

Pixels = NDArray[np.uint8] | NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained from scratch, with cross-entropy.

    Attributes:
        epochs, batch_size, weight_decay: as usual.
        peak_learning_rate: highest learning rate.
        momentum: of SGD.
        kind: "sgd" with Nesterov momentum and a one-cycle learning rate, or "adam" with a learning rate that falls as a cosine.
        class_weights: whether an example counts by one over the number of training examples of its class.
        augment: whether images are mirrored and moved at random (`training.augmented`).
    """

    epochs: int
    batch_size: int
    peak_learning_rate: float
    momentum: float
    weight_decay: float
    kind: Literal["sgd", "adam"] = "sgd"
    class_weights: bool = False
    augment: bool = False


@dataclass(frozen=True)
class Engine:
    """How many networks are trained, and how.

    Attributes:
        kind: "grouped" and "mapped" train several as one (`lockstep.stack`, `lockstep.Mapped`), "single" one after another.
        members: how many at a time. Rounding depends on it, so it is part of what a population is.
    """

    kind: Literal["grouped", "mapped", "single"]
    members: int


ONE_AT_A_TIME = Engine("single", 1)


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


@dataclass(frozen=True)
class Task:
    """A problem to unlearn on, and everything that determines its numbers.

    Attributes:
        name: what `--task` calls it.
        version: raised whenever any number of the task may change.
        summary: one line for people.
        read: gives the data set, from the folder of data sets where it is not embedded.
        needs: what must lie in that folder, for people; empty if the data set is embedded.
        signs: patterns of paths in that folder, one of which matches where the data set is there.
        seed: of everything that is drawn at random when the data is split.
        forget: the forget request.
        image_shape: channels, height, width.
        classes: number of classes.
        pixel_mean, pixel_std: what the network normalises with, a number for each channel.
        network: name of the network in `starting_kit.networks`.
        recipe: how networks are trained.
        loader_batch_size: batch size of the loaders that a solution gets.
        engine: the fastest way of training it on a CPU, measured by `benchmarks/populations.py`; never chosen while scoring.
        unlearned_at_once: models that a solution is called for at once, if it runs in lockstep. Fewer than are trained at once:
            a solution's batches are larger, and take as much memory.
        original: weights of the original model, where the data set brings them; else it is trained.
        pixel_range: the least and the greatest value that a pixel can have.
        folder: of data sets that are not embedded (`--data`).
        changed: which fields the user wants otherwise than the task has them.
        digest: of the data, once they were read.
    """

    name: str
    version: int
    summary: str
    read: Callable[[Path], DataSet]
    needs: str
    signs: tuple[str, ...]
    seed: int
    forget: str
    image_shape: tuple[int, int, int]
    classes: int
    pixel_mean: tuple[float, ...]
    pixel_std: tuple[float, ...]
    network: str
    recipe: Recipe
    loader_batch_size: int
    engine: Engine
    unlearned_at_once: int
    original: Path | None = None
    pixel_range: tuple[float, float] = (0.0, 255.0)
    folder: Path = Path("data")
    changed: tuple[str, ...] = ()
    digest: str = ""

    def load(self) -> Data:
        """Read the images and split them.

        Raises:
            InputError: files are missing or damaged, or the forget request does not fit the data.
        """
        found = self.read(self.folder)
        request = forget_requests.parse(self.forget)
        forget, labels = forget_requests.choose(request, found, self.classes, self.seed)
        retain = np.setdiff1d(found.training, forget)
        held_out = np.sort(found.validation), np.sort(found.test)
        return Data(found.images, labels, retain, np.sort(forget), *held_out, found.subjects, found.ages, found.remarks)

    @property
    def forgotten_class(self) -> int | None:
        """The class that is to be forgotten; None where the forget request is none."""
        request = forget_requests.parse(self.forget)
        return request.value if request.kind == "class" else None

    def is_there(self) -> bool:
        """Whether the data set is embedded, or seems to lie in its folder."""
        return not self.signs or any(any(self.folder.glob(sign)) for sign in self.signs)

    def identity(self) -> dict[str, Any]:
        """What determines the numbers but for the engines and what the data set and its files tell, ready for JSON."""
        of_data = ("read", "summary", "needs", "signs", "original", "pixel_range", "folder")
        left_out = (*of_data, "engine", "unlearned_at_once", "changed")
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in left_out}
        return {**fields, "recipe": dataclasses.asdict(self.recipe), "forget": str(forget_requests.parse(self.forget))}


def names() -> list[str]:
    """Names of all tasks, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def every(folder: Path) -> list[Task]:
    """All tasks, as they are before the files of their data are looked at."""
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names())
    return [dataclasses.replace(module.TASK, folder=folder) for module in modules]


def find(
    name: str,
    folder: Path | None = None,
    forget: str | None = None,
    network: str | None = None,
    epochs: int | None = None,
) -> Task:
    """The task of that name, with what the user wants otherwise.

    Args:
        name: of the task.
        folder: where data sets lie that are not embedded.
        forget: a forget request.
        network: the name of a network.
        epochs: of the recipe.

    Raises:
        InputError: there is no such task, or the request cannot be read.
    """
    if name not in names():
        raise InputError(f"There is no task {name!r}; the tasks are {', '.join(names())}.{did_you_mean(name, names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    folder = folder or Path("data")
    task: Task = module.of_folder(folder) if hasattr(module, "of_folder") else module.TASK
    task = dataclasses.replace(task, folder=folder)
    changes: dict[str, Any] = {}
    if forget is not None and forget != task.forget:
        forget_requests.parse(forget)
        changes["forget"] = forget
    if network is not None and network != task.network:
        changes["network"] = network
    if epochs is not None and epochs != task.recipe.epochs:
        changes["recipe"] = dataclasses.replace(task.recipe, epochs=epochs)
    return dataclasses.replace(task, **changes, changed=tuple(changes))


def random_splits(examples: int, sizes: tuple[int, ...], seed: int) -> list[Ids]:
    """Ids 0 to examples - 1 in random order, cut into parts of these sizes and the rest."""
    order = np.random.default_rng(seed).permutation(examples)
    return np.split(order, np.cumsum(sizes))
