"""What determines a scoring: one frozen configuration for each of its three modes, with the names of the command line."""

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from evaluation.metric.forgetting import FEWEST_MODELS
from evaluation.populations.population import IN_A_ROW
from evaluation.scoring.scorecard import DEFAULT_MODELS
from starting_kit import tasks
from starting_kit.errors import InputError
from starting_kit.files import require_writable
from starting_kit.tasks.task import Task

MOST_MODELS = 100_000  # more would fill disks and weeks: whoever asks for them has mistyped
REFERENCE = 128  # original models that show what there was to forget
FIRST_LOOK = 64  # models with which two solutions are first compared: an interval needs nearly as many
OTHER_NETWORK = 16  # original models of a network that is not the task's, whose weights may take much room


def data_folder() -> Path:
    """Where data sets lie that are not embedded, unless the user says otherwise."""
    return Path(os.environ.get("UNLEARNING_DATA") or "data")


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Design:
    """Which original models unlearning starts from.

    Attributes:
        originals: how many have their turn, if there are enough models, before the first has it again.
        in_a_row: runs from one of them before the next has its turn.
        trained: how many original models there are, those included that only show what there was to forget.
    """

    originals: int
    in_a_row: int
    trained: int


@dataclass(frozen=True, kw_only=True)
class Common:
    """What every mode of scoring knows. Paths may be given as text, too.

    Attributes:
        workers: processes and threads; None for one per core.
        no_intervals: leave out the intervals.
    """

    workers: int | None = None
    no_intervals: bool = False

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, str) and each.type in (Path, Path | None):
                object.__setattr__(self, each.name, Path(value))

    @property
    def cores(self) -> int:
        """How many processes, or threads."""
        return self.workers or available_cores()

    def check(self) -> None:
        """Find out before the work begins what would spoil it at the end.

        Raises:
            InputError: a number out of range, or a place that cannot be written to.
        """
        if self.workers is not None and self.workers < 1:
            raise InputError(f"--workers {self.workers} is too few; at least 1 process is needed.")


def check_json(path: Path | None) -> None:
    """See whether a scorecard can be written to a file.

    Raises:
        InputError: it cannot.
    """
    if path:
        require_writable(path.parent, "--json")
        if path.is_dir():
            raise InputError(f"--json {path} is a folder; give the name of a file.")


@dataclass(frozen=True, kw_only=True)
class ScoringConfig(Common):
    """Scoring a solution on a task.

    Attributes:
        solution: a name in the zoo, or the path of a .py file or a notebook.
        task, data, forget, network, epochs: the task, where its data lie, and what is wanted otherwise than the task has it.
        models: in each population.
        originals: original models that unlearning starts from; None for the task's number, as far as each has four runs.
        seed: all models' seeds derive from it.
        engine: how the solution is called; None for lockstep where a trial allows it.
        device: where models are trained and unlearned.
        data_free: whether the loaders hold no data.
        pictures: whether images that the solution makes up are drawn.
        hyperparameters: whose; None for the tuned ones if there are any, else the published ones.
        time_limit: seconds that the solution has for each model; None for those of a retraining, at least 10.
        require_sandbox: whether nothing is scored where solutions cannot be confined.
        define: constants of a notebook, `name=value`.
        set: hyper-parameters, `name=value`.
        runs, results: folders of populations and of scorecards.
        json: a file that gets the scorecard as well.
        export: a folder that gets logits and accuracies.
    """

    solution: str
    task: str = "digits"
    data: Path = field(default_factory=data_folder)
    forget: str | None = None
    network: str | None = None
    epochs: int | None = None
    models: int = DEFAULT_MODELS
    originals: int | None = None
    seed: int = 0
    engine: Literal["lockstep", "single"] | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    data_free: bool = False
    pictures: bool = False
    hyperparameters: Literal["tuned", "transferred", "published"] | None = None
    time_limit: float | None = None
    require_sandbox: bool = False
    define: tuple[str, ...] = ()
    set: tuple[str, ...] = ()
    runs: Path = Path("runs")
    results: Path = Path("results")
    json: Path | None = None
    export: Path | None = None

    def check(self) -> None:
        """As for `Common`."""
        super().check()
        if self.models < FEWEST_MODELS:
            raise InputError(
                f"--models {self.models} is too few; the metric needs at least {FEWEST_MODELS} (the competition took 512)."
            )
        if self.models > MOST_MODELS:
            raise InputError(f"--models {self.models} is too many; at most {MOST_MODELS} are made.")
        if self.originals is not None and not 1 <= self.originals <= self.models:
            raise InputError(f"--originals {self.originals} must lie between 1 and the number of models, {self.models}.")
        if self.seed < 0:
            raise InputError(f"--seed {self.seed} must not be negative.")
        if self.time_limit is not None and not 0 < self.time_limit < float("inf"):
            raise InputError(f"--time-limit {self.time_limit} must be greater than 0, a number of seconds.")
        if self.export:
            require_writable(self.export, "--export")
        check_json(self.json)

    def find_task(self) -> Task:
        """The task, with what is wanted otherwise.

        Raises:
            InputError: there is no such task or network, or the forget request cannot be read.
        """
        if self.epochs is not None and self.epochs < 1:
            raise InputError(f"--epochs {self.epochs} is too few; at least 1 is needed.")
        return tasks.find(self.task, self.data, self.forget, self.network, self.epochs)

    def design(self, task: Task) -> Design:
        """Which original models unlearning starts from, on a task of the user's choice."""
        usual = _usual_originals(task)
        used = self.originals or max(1, min(usual, self.models // IN_A_ROW))
        in_a_row, trained = min(IN_A_ROW, self.models // used), max(used, min(REFERENCE, self.models))
        # Where each of them has four runs, the models are the first of those that more models would be, and are kept as such.
        in_turn = usual if self.originals is None and self.models == used * IN_A_ROW else used
        return Design(in_turn, in_a_row, trained)


def _usual_originals(task: Task) -> int:
    if task.original is not None:  # a folder with an original of its own is about that one
        return 1
    return min(task.originals, OTHER_NETWORK) if "network" in task.changed else task.originals


@dataclass(frozen=True, kw_only=True)
class SequentialConfig:
    """Scoring a solution with as few models as tell it from another.

    Attributes:
        scoring: of the solution, with as many models as are made at most.
        against: the other one: a name in the zoo, a path, or `SOLUTION--VARIANT`, the name of an entry among the results.
        margin: the smallest difference of scores that matters; None for a tenth of the ceiling.
    """

    scoring: ScoringConfig
    against: str
    margin: float | None = None

    @property
    def looks(self) -> list[int]:
        """Numbers of models at which scores are compared; at all of them an original model has as many runs as it should."""
        doublings = (self.scoring.models >> halvings for halvings in range(self.scoring.models.bit_length()))
        fewest = max(FIRST_LOOK, IN_A_ROW * (self.scoring.originals or 1))
        return sorted(models for models in doublings if models >= fewest)

    def check(self) -> None:
        """Find out before the work begins what would spoil it at the end.

        Raises:
            InputError: a number out of range, a place that cannot be written to, or nothing to look at.
        """
        self.scoring.check()
        models = self.scoring.models
        if self.scoring.no_intervals:
            raise InputError("--stop-when-clear goes by intervals; leave --no-intervals out.")
        if self.margin is not None and not self.margin > 0:
            raise InputError(f"--margin {self.margin} must be greater than 0.")
        if models % FIRST_LOOK or (models // FIRST_LOOK).bit_count() != 1 or models == FIRST_LOOK:
            raise InputError(f"--models {models}: --stop-when-clear doubles {FIRST_LOOK}, up to 128, 256, 512 or more.")
        if len(self.looks) < 2:
            raise InputError(
                f"--originals {self.scoring.originals}: with {IN_A_ROW} runs from each there is no look before the last; give "
                "fewer, or more --models."
            )


@dataclass(frozen=True, kw_only=True)
class PairConfig(Common):
    """Comparing two populations that were made elsewhere, an .npz file each.

    Attributes:
        retrained, unlearned: the files.
        json: a file that gets the scorecard.
    """

    retrained: Path
    unlearned: Path
    json: Path | None = None

    def check(self) -> None:
        """As for `Common`."""
        super().check()
        check_json(self.json)


@dataclass(frozen=True, kw_only=True)
class FolderConfig(Common):
    """Comparing every approach of a folder in the published layout with the folder's retrained population.

    Attributes:
        populations: the folder.
        results: the folder of scorecards.
    """

    populations: Path
    results: Path = Path("results")


Config = ScoringConfig | PairConfig | FolderConfig
