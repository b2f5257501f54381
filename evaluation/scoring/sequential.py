"""Score a solution with more and more models, until it is clear how it compares with another one.

Both are scored with the same numbers of models, against the same retrained ones; larger populations extend smaller ones, so
that no model is made twice. `metric.looks` says when a comparison is clear.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import UNSET

from evaluation.metric.looks import Look, at_share, shares
from evaluation.scoring import codec, pairs
from evaluation.scoring.config import ScoringConfig, SequentialConfig
from evaluation.scoring.reporter import SILENT, Reporter
from evaluation.scoring.scorecard import Scorecard
from evaluation.scoring.scorer import score, tuned_values
from starting_kit import contract
from starting_kit.errors import InputError
from starting_kit.files import require_writable
from starting_kit.tasks.task import Task

SHARE_OF_CEILING = 0.1  # the smallest difference that matters, unless the user says otherwise


@dataclass(frozen=True)
class Outcome:
    """How a comparison ended.

    Attributes:
        card: of the solution, with as many models as the last look had.
        names: of both solutions, for people.
        look: the last.
        planned: numbers of models at which there would have been looks.
    """

    card: Scorecard
    names: tuple[str, str]
    look: Look
    planned: list[int]


def score_until_clear(config: SequentialConfig, reporter: Reporter = SILENT) -> Outcome:
    """Score a solution with as few models as tell it from another.

    Args:
        config: of both.
        reporter: is told what takes time, and what each look has shown.

    Raises:
        InputError: the configuration, a solution or a file is wrong, or the two cannot be compared.
        RunError: a solution failed, or a file cannot be written; what was finished is kept.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    config.check()
    task = config.scoring.find_task()
    require_writable(config.scoring.results / task.name, "--results")
    both = config.scoring, opponent(config, task)
    if _what_runs(both[0], task) == _what_runs(both[1], task):
        raise InputError(f"--against {config.against} is the solution itself, with the same values.")
    for models, share in zip(config.looks, shares(config.looks), strict=True):
        cards = _score_both(both, models, reporter)
        names = _names(cards, config.against)
        look = judge(cards, share, config.margin)
        reporter.say(_seen(names, look))
        if look.verdict:
            break
    card = score(replace(config.scoring, models=look.models), reporter)
    return Outcome(card, names, look, config.looks)


def judge(cards: Sequence[Scorecard], share: float, margin: float | None) -> Look:
    """What the scorecards of two solutions show at a look.

    Args:
        cards: of the first and the second, with equally many models.
        share: of the error, which this look may have.
        margin: the smallest difference that matters; None for a tenth of the ceiling.

    Raises:
        InputError: they were compared with different retrained models.
    """
    first, second = cards
    if first.retrained_population != second.retrained_population:
        raise InputError(f"{first.solution} and {second.solution} cannot be compared: they have different retrained models.")
    test = pairs.difference(first, second)
    bounds = (-inf, inf) if test is None else at_share(test[0], pairs.independent_units(first), share)
    matters = SHARE_OF_CEILING * (first.ceiling.value or 0.0) if margin is None else margin
    return Look(first.models, (first.score.value or 0.0, second.score.value or 0.0), bounds, share, matters)


def opponent(config: SequentialConfig, task: Task) -> ScoringConfig:
    """How the other solution is scored: on the same task, with values of its own.

    Raises:
        InputError: its scorecard cannot be read.
    """
    own = config.scoring
    other = ScoringConfig(solution=config.against)
    plain = replace(
        own,
        solution=config.against,
        **{name: getattr(other, name) for name in ("hyperparameters", "set", "define", "data_free", "engine")},
    )
    path = own.results / task.name / f"{config.against}.json"
    if "--" not in config.against or not path.is_file():
        return plain
    card = codec.read(path)
    return replace(plain, solution=card.solution, data_free=card.data_free is True, **_values(card))


def _values(card: Scorecard) -> dict[str, Any]:
    """The options that give a solution the values of a scorecard."""
    used = card.hyperparameters
    if used is None:
        raise InputError(f"{card.entry} was made elsewhere; --against takes what can be scored with more models.")
    by_user = () if used.set is UNSET else used.set
    texts = tuple(f"{name}={_typed(used.values[name])}" for name in by_user)
    origin = used.origin if used.origin in ("tuned", "transferred") else "published"
    return {"hyperparameters": origin, "set": texts}


def _typed(value: Any) -> Any:
    """A value from JSON, which has no tuples, as --set takes it."""
    return tuple(map(_typed, value)) if isinstance(value, list) else value


def _what_runs(config: ScoringConfig, task: Task) -> tuple[Any, ...]:
    path = contract.find(config.solution, (".py", ".ipynb"))
    transferred = config.hyperparameters == "transferred"
    return path, transferred, tuned_values(config, task, path), sorted(config.set), sorted(config.define), config.data_free


def _score_both(both: Sequence[ScoringConfig], models: int, reporter: Reporter) -> list[Scorecard]:
    """Scorecards with so many models, of which no file is kept: another look may follow."""
    cards = []
    for config in both:
        with TemporaryDirectory() as folder:
            look = replace(config, models=models, results=Path(folder), json=None, export=None, pictures=False)
            cards.append(score(look, reporter))
    return cards


def _names(cards: Sequence[Scorecard], against: str) -> tuple[str, str]:
    """What people call them: by their values, where one solution is compared with itself."""
    first, second = cards
    if first.solution != second.solution:
        return first.solution, second.solution
    own, other = (card.hyperparameters.source if card.hyperparameters else "" for card in cards)
    return f"{first.solution} ({own})", against if "--" in against else f"{second.solution} ({other})"


def _seen(names: tuple[str, str], look: Look) -> str:
    (low, high), (first, second) = look.interval, look.scores
    clear = look.verdict or "not clear yet"
    return (
        f"{look.models} models: {names[0]} {first:.4f}, {names[1]} {second:.4f}; difference {first - second:+.4f}, "
        f"{100 * (1 - look.share):.1f} % interval {low:+.4f} to {high:+.4f}, margin {look.margin:.4f}: {clear}"
    )
