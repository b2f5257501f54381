"""A task: data set + forget request + network + training recipe, with a name and a version.

Each module of this package defines one task as `TASK`; `find` gives it by name. Nothing here needs torch, so that the
process that scores can know a task without loading it.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from starting_kit.errors import InputError, did_you_mean

SPLITS = ("retain", "forget", "validation", "test")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained from scratch: cross-entropy, SGD with Nesterov momentum, one-cycle learning rate."""

    epochs: int
    batch_size: int
    peak_learning_rate: float
    momentum: float
    weight_decay: float


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
class Data:
    """All examples of a task in the order of their source, and which of them belong to which split.

    An example's id is its position in the source.

    Attributes:
        images: [examples, channels, height, width], float32, the values the source gives (not normalised).
        labels: [examples], int64.
        retain, forget, validation, test: example ids, int64, disjoint.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    retain: NDArray[np.int64]
    forget: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    @property
    def training(self) -> NDArray[np.int64]:
        """Ids of retain and forget together."""
        return np.concatenate([self.retain, self.forget])


@dataclass(frozen=True)
class Task:
    """A problem to unlearn on, and everything that determines its numbers.

    Attributes:
        name: what `--task` calls it.
        version: raised whenever any number of the task may change.
        summary: one line for people.
        source: gives all images [examples, channels, height, width] and labels [examples].
        training_size, validation_size: how many examples; the rest is for testing.
        split_seed: decides which examples belong to which split.
        forget: the forget request, `random:FRACTION` of the training data.
        image_shape: channels, height, width.
        classes: number of classes.
        pixel_mean, pixel_std: what the network normalises with.
        network: name of the network in `starting_kit.networks`.
        recipe: how networks are trained.
        loader_batch_size: batch size of the loaders that a solution gets.
        engine: the fastest way of training it on a CPU, measured by `benchmarks/populations.py`; never chosen while scoring.
        unlearned_at_once: models that a solution is called for at once, if it runs in lockstep. Fewer than are trained at once:
            a solution's batches are larger, and take as much memory.
    """

    name: str
    version: int
    summary: str
    source: Callable[[], tuple[NDArray[np.float32], NDArray[np.int64]]]
    training_size: int
    validation_size: int
    split_seed: int
    forget: str
    image_shape: tuple[int, int, int]
    classes: int
    pixel_mean: float
    pixel_std: float
    network: str
    recipe: Recipe
    loader_batch_size: int
    engine: Engine
    unlearned_at_once: int

    def load(self) -> Data:
        """Read the images and split them.

        Raises:
            ValueError: a forget request that is unknown.
        """
        images, labels = self.source()
        order = np.random.default_rng(self.split_seed).permutation(len(images))
        training, held_out = np.split(order, [self.training_size])
        validation, test = np.split(held_out, [self.validation_size])
        forget, retain = np.split(training, [_forget_count(self.forget, len(training))])
        return Data(images, labels, np.sort(retain), np.sort(forget), np.sort(validation), np.sort(test))

    def identity(self) -> dict[str, Any]:
        """Everything that determines the numbers but for the engines, ready for JSON."""
        left_out = ("source", "summary", "engine", "unlearned_at_once")
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in left_out}
        return {**fields, "recipe": dataclasses.asdict(self.recipe)}


def _forget_count(request: str, training_size: int) -> int:
    kind, _, value = request.partition(":")
    if kind != "random" or not 0 < float(value) < 1:
        raise ValueError(f"the forget request {request!r} is not random:FRACTION with a fraction between 0 and 1")
    return round(float(value) * training_size)  # the training ids come in random order: the first are a random part


def names() -> list[str]:
    """Names of all tasks, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Task:
    """The task of that name.

    Raises:
        InputError: there is none.
    """
    if name not in names():
        raise InputError(f"There is no task {name!r}; the tasks are {', '.join(names())}.{did_you_mean(name, names())}")
    return importlib.import_module(f"{__name__}.{name}").TASK
