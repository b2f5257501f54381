"""What determines a tuning."""

from dataclasses import dataclass, field
from pathlib import Path

from evaluation.populations.population import IN_A_ROW
from evaluation.scoring.config import available_cores, data_folder
from starting_kit.errors import InputError

FEW = 4  # a trial may end after the number of its models divided by this
FEWEST_TRIED = 2 * IN_A_ROW  # models: what works with one original model need not work with another


@dataclass(frozen=True, kw_only=True)
class TuningConfig:
    """Fitting the hyper-parameters of a solution to a task.

    Attributes:
        solution: a name in the zoo, or the path of a .py file.
        task, data: the task, and where its data lie.
        trials: how many, with those of earlier runs.
        models: of a trial.
        seed: the models' seeds derive from it.
        workers: processes and threads; None for one per core.
        runs: the folder of trials.
    """

    solution: str
    task: str = "digits"
    data: Path = field(default_factory=data_folder)
    trials: int = 40
    models: int = 128
    seed: int = 0
    workers: int | None = None
    runs: Path = Path("runs")

    @property
    def cores(self) -> int:
        """How many processes, or threads."""
        return self.workers or available_cores()

    def check(self) -> None:
        """Find out before the work begins what would spoil it.

        Raises:
            InputError: a number out of range.
        """
        for option, least in (("trials", 1), ("models", FEW * FEWEST_TRIED), ("workers", 1), ("seed", 0)):
            value = getattr(self, option)
            if value is not None and value < least:
                raise InputError(f"--{option} {value} is too few; at least {least} is needed.")
