"""A task: data set, forget request, network and training recipe, with a name and a version."""

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
        class_weights: whether an example's weight is one over the number of training examples of its class.
        augment: whether images are mirrored and shifted at random (`training.augmented`).
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
    """How many networks are trained at a time, and how.

    Attributes:
        kind: "grouped" and "mapped" train several as one (`stacking.stack`, `stacking.Mapped`), "single" trains one by one.
        members: how many at a time. Rounding depends on it, so it is part of a population's identity.
    """

    kind: Literal["grouped", "mapped", "single"]
    members: int


ONE_AT_A_TIME = Engine("single", 1)


@dataclass(frozen=True)
class Task:
    """An unlearning problem, and everything that determines its numbers.

    Attributes:
        name: what `--task` calls it.
        version: raised whenever any number of the task may change.
        summary: one line for people.
        read: returns the data set, read from the folder of data sets unless it is embedded.
        needs: what must be in that folder, for people; empty if the data set is embedded.
        marker_globs: glob patterns in that folder; if any of them matches, the data set is there. Empty if it is embedded.
        seed: of everything drawn at random when the data set is split.
        forget: the forget request.
        image_shape: channels, height, width.
        classes: number of classes.
        pixel_mean, pixel_std: what the network normalises with, a number per channel.
        network: name of the network in `starting_kit.networks`.
        recipe: how networks are trained.
        loader_batch_size: batch size of the loaders that a solution gets.
        engine: the fastest way to train its network on a CPU, measured by `benchmarks/populations.py`; never chosen while
            scoring.
        unlearned_at_once: models that a solution unlearns in one call, if it runs in lockstep. Fewer than are trained at once,
            because a solution's batches are larger and need as much memory.
        original: weights of the original model, if they come with the data set; else it is trained.
        originals: how many original models unlearning starts from, unless the user says: as many as a score needs to be the
            same for other ones, or fewer where their weights take much room.
        pixel_range: smallest and largest value that a pixel can have.
        folder: holds the data sets that are not embedded (`--data`).
        open_globs: glob patterns in that folder of files that solutions may read, as in the competition.
        changed: which fields the user has changed.
        digest: of the data, once they have been read.
    """

    name: str
    version: int
    summary: str
    read: Callable[[Path], DataSet]
    needs: str
    marker_globs: tuple[str, ...]
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
    originals: int = 128
    pixel_range: tuple[float, float] = (0.0, 255.0)
    folder: Path = Path("data")
    open_globs: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    digest: str = ""

    def load(self) -> Data:
        """Read the data set and split it.

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
        """The class to be forgotten; None unless the forget request names one."""
        request = forget_requests.parse(self.forget)
        return request.value if request.kind == "class" else None

    def is_there(self) -> bool:
        """Whether the data set is embedded, or seems to be in its folder."""
        return not self.marker_globs or any(any(self.folder.glob(pattern)) for pattern in self.marker_globs)

    def open_files(self) -> list[Path]:
        """Files in the folder of data sets that solutions may read."""
        given = [] if self.original is None else [self.original]
        return [*given, *(path for pattern in self.open_globs for path in self.folder.glob(pattern))]

    def identity(self) -> dict[str, Any]:
        """The fields that determine the numbers, ready for JSON, but for the engine and what follows from the data set."""
        of_data = ("read", "summary", "needs", "marker_globs", "original", "originals", "pixel_range", "folder", "open_globs")
        left_out = (*of_data, "engine", "unlearned_at_once", "changed")
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in left_out}
        return {**fields, "recipe": dataclasses.asdict(self.recipe), "forget": str(forget_requests.parse(self.forget))}
