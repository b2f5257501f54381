"""What is checked, as it is handed to the processes that do it; each describes the solution anew."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.populations.population import Kind, Population
from evaluation.populations.serving import Confinement
from starting_kit import contract
from starting_kit.contract import BatchFormat, Solution
from starting_kit.tasks.task import ONE_AT_A_TIME, Task


@dataclass(frozen=True)
class Subject:
    """A solution, and what it is tried on.

    Attributes:
        path: the file.
        settings: of hyper-parameters, `name=value`.
        tuned: values that were fitted to the task; None for the file's own.
        transferred: whether the published values are carried over to the task.
        task: with the digest of its data.
        seed: all models' seeds derive from it.
        runs: the folder of populations, absolute.
        originals: original models of which the weights are kept, as scoring keeps them.
        data_free: whether its loaders hold no data.
        trains: whether it brings its own trainer.
        batches: that it reads, once that is known.
        models: runs, and retrained models that they are compared with.
    """

    path: Path
    settings: tuple[str, ...]
    tuned: dict[str, Any] | None
    transferred: bool
    task: Task
    seed: int
    runs: Path
    originals: int
    data_free: bool
    trains: bool = False
    batches: BatchFormat = "tuple"
    models: int = 16

    def solution(self) -> Solution:
        """As it is described when it is scored.

        Raises:
            InputError: it cannot be loaded, or its signature is wrong.
        """
        retain = None
        if self.transferred:
            from evaluation.populations import materials

            retain = len(materials.load_data(self.task).retain)
        return contract.describe(self.path, self.settings, self.tuned, retain)

    def population(self, kind: Kind) -> Population:
        """Trained models, the same as for scoring: what one has made the other finds.

        Raises:
            InputError: the solution cannot be loaded, where it brings the trainer.
        """
        from starting_kit import training

        task, trainer = self.task, self.solution() if self.trains else None
        engine = ONE_AT_A_TIME if trainer else training.usable_engine(task)[0]
        if trainer:
            task = dataclasses.replace(task, original=None)
        if engine == ONE_AT_A_TIME:
            task = dataclasses.replace(task, unlearned_at_once=1)
        return Population(task, kind, self.seed, self.runs, engine, originals=self.originals, trainer=trainer)

    def confinement(self) -> Confinement:
        """What the processes that run it may read besides what all may: its folder, and the original models."""
        return Confinement((self.path.parent.resolve(), self.runs, *self.task.open_files()), ())

    def unlearned(self) -> Population:
        """What the solution makes of the first original model, one at a time.

        Raises:
            InputError: it cannot be loaded.
        """
        original = dataclasses.replace(self.population("original"), originals=1)
        return original.unlearned_by(self.solution(), self.batches, ONE_AT_A_TIME, self.data_free)
