"""What scoring compared, beside the scorecard."""

from dataclasses import dataclass

from evaluation.metric.outputs import Outputs
from evaluation.scoring.scorecard import Scorecard
from starting_kit.tasks.task import Task


@dataclass(frozen=True)
class Scored:
    """A scorecard, and what it is about.

    Attributes:
        card: the scorecard.
        unlearned: outputs of the solution's models.
        retrained: outputs of the models that they were compared with.
        task: None for populations that were made elsewhere.
    """

    card: Scorecard
    unlearned: Outputs
    retrained: Outputs
    task: Task | None = None
