"""A task: data set + forget request + network + training recipe, with a name and a version."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from starting_kit.tasks import forget_requests
from starting_kit.tasks.data import Data, DataSet


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
