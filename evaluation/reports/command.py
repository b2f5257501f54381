"""The command that makes a scorecard again."""

import json
import shlex

from msgspec import UNSET

from evaluation.populations.population import originals_of
from evaluation.scoring.config import ScoringConfig
from evaluation.scoring.scorecard import DEFAULT_MODELS, Scorecard
from starting_kit import tasks
from starting_kit.errors import InputError
from starting_kit.tasks.task import Task


def command(card: Scorecard) -> str:
    """What one types for a score like this one; what is the default of `score.py` or of the task is left out.

    A solution outside the zoo is named by its name, since no scorecard has its path.
    """
    config, task = ScoringConfig(solution=card.solution, models=card.models), _task(card)
    options: list[tuple[str, object, object]] = [("--task", card.task, config.task)]
    if task:
        usual = tasks.find(card.task)
        options += [("--forget", card.forget, usual.forget), ("--network", card.network, usual.network)]
        options += [("--epochs", card.epochs, usual.recipe.epochs)]
        design = config.design(task)
        options += [("--originals", card.originals, originals_of(card.models, design.originals, design.in_a_row))]
    options += [("--models", card.models, DEFAULT_MODELS), ("--seed", card.seed or 0, config.seed)]
    words = ["python", "evaluation/score.py", "--solution", card.solution]
    words += [word for name, value, usual in options if value is not None and value != usual for word in (name, str(value))]
    return shlex.join([*words, *_of_values(card)])


def _task(card: Scorecard) -> Task | None:
    """The task with what the card changes of it; None where the populations were made elsewhere."""
    try:
        return tasks.find(card.task, network=card.network, epochs=card.epochs)
    except InputError:
        return None


def _of_values(card: Scorecard) -> list[str]:
    """Options for the hyper-parameters."""
    used = card.hyperparameters
    if used is None:
        return []
    words = [] if used.origin in (None, "author") else ["--hyperparameters", str(used.origin)]
    by_user = [] if used.set is UNSET else used.set
    return words + [word for name in by_user for word in ("--set", f"{name}={_text(used.values[name])}")]


def _text(value: object) -> str:
    """A value as `--set` takes it."""
    return value if isinstance(value, str) else json.dumps(value)
