"""The trials of a solution so far, in a file of Optuna's: which values come next, and which have shown what."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from filelock import FileLock, Timeout

from evaluation.tuning.trials import HIGHEST_COST, Trials
from starting_kit.errors import InputError
from starting_kit.extras import needs
from starting_kit.files import identity_key
from starting_kit.search_space import Range

with needs("tune"):
    import optuna
    from optuna.trial import FrozenTrial, Trial, TrialState

STUDY_FORMAT = 3  # raised when trials mean something else
RANDOM_SHARE = 0.5  # of the trials; they spread over the whole space, the others gather where these were good
NEAR = 0.02  # of a range: what is as near to an end of it has reached it


@contextmanager
def open_study(common: Trials, earlier: dict[str, Any] | None = None) -> Iterator[optuna.Study]:
    """The trials so far; one that was under way when its process died will be the next.

    Args:
        common: what all trials share.
        earlier: values that were tuned before, if there are any: they are tried after the published ones, as near as the search
            space has them.

    Raises:
        InputError: another process tunes the same.
    """
    solution = common.solution
    identity = {
        **common.published.identity(),
        "search_space": repr(solution.search_space),
        "models": common.models,
        "format": STUDY_FORMAT,
    }
    file = common.retrained.folder.parent / f"study-{solution.name}-{identity_key(identity)}.db"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with FileLock(file.with_suffix(".lock"), timeout=0):
            study = optuna.create_study(
                storage=f"sqlite:///{file.resolve()}",
                study_name=solution.name,
                load_if_exists=True,
                direction="maximize",
            )
            if not study.trials:
                published = {name: limits.start for name, limits in solution.search_space.items()}
                study.enqueue_trial(published)
                if earlier:
                    study.enqueue_trial({**published, **as_proposed(earlier, solution.search_space)})
            for trial in study.get_trials(states=[TrialState.RUNNING]):
                study.tell(trial.number, state=TrialState.FAIL)
                study.enqueue_trial(trial.params)
            yield study
    except Timeout as error:
        raise InputError(f"{solution.name} is being tuned by another process; wait for it.") from error


def as_proposed(values: dict[str, Any], ranges: dict[str, Range]) -> dict[str, Any]:
    """What stands for values of hyper-parameters in a search space, of those that it has."""
    found = {name: ranges[name].proposal(value) for name, value in values.items() if name in ranges}
    return {name: proposal for name, proposal in found.items() if proposal is not None}


def next_trial(study: optuna.Study, ranges: dict[str, Range], wanted: int) -> Trial | None:
    """A trial of values that no finished trial had; None where the search space has no others.

    What was proposed though it had been tried before is kept in the study, as `repeated`.

    Args:
        study: the trials so far.
        ranges: the search space.
        wanted: how many trials there will be.
    """
    tried = {_text(values_of(trial, ranges)) for trial in finished(study)}
    if len(tried) >= size(ranges):
        return None
    # New samplers each time: what they propose depends on the trials so far, not on interruptions.
    number = len(finished(study))
    study.sampler = optuna.samplers.GPSampler(seed=number, n_startup_trials=math.ceil(RANDOM_SHARE * wanted))
    others = optuna.samplers.RandomSampler(seed=number)
    while _text(propose(trial := study.ask(), ranges)) in tried:
        study.tell(trial, state=TrialState.PRUNED)
        study.sampler = others  # the first one might propose the same for ever
    return trial


def size(ranges: dict[str, Range]) -> float:
    """How many different values a search space has: infinitely many, unless all are whole numbers or choices."""

    def of_range(limits: Range) -> float:
        if limits.kind == "choice":
            return len(limits.choices)
        return limits.high - limits.low + 1 if limits.kind == "whole" else math.inf

    return math.prod(map(of_range, ranges.values()))


def propose(trial: Trial, ranges: dict[str, Range]) -> dict[str, Any]:
    """Values for the hyper-parameters that may be tuned, from the sampler."""
    for name, limits in ranges.items():
        if limits.kind == "choice":
            trial.suggest_categorical(name, limits.choices)
        elif limits.kind == "whole":
            trial.suggest_int(name, int(limits.low), int(limits.high), log=limits.log)
        else:
            trial.suggest_float(name, limits.low, limits.high, log=limits.log)
    return values_of(trial, ranges)


def values_of(trial: Trial | FrozenTrial, ranges: dict[str, Range]) -> dict[str, Any]:
    """The values of a trial, as the solution takes them."""
    return {name: ranges[name].value(proposed) for name, proposed in trial.params.items()}


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def at_ends(trial: FrozenTrial, ranges: dict[str, Range]) -> list[str]:
    """Names of the numbers that have reached an end of their ranges; the best value may lie beyond it."""

    def reached(limits: Range, proposed: Any) -> bool:
        scale = math.log if limits.log else float
        low, high, own = (scale(number) for number in (limits.low, limits.high, proposed))
        share, lowest = (own - low) / (high - low), limits.kind == "whole" and limits.low <= 1  # one epoch cannot be less
        return share >= 1 - NEAR or (share <= NEAR and not lowest)

    return [
        name for name, proposed in trial.params.items() if ranges[name].kind != "choice" and reached(ranges[name], proposed)
    ]


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that were not interrupted."""
    return study.get_trials(states=[TrialState.COMPLETE])


def repeated(study: optuna.Study) -> int:
    """How many proposals were not tried, because a trial had had the same values."""
    return len(study.get_trials(states=[TrialState.PRUNED]))


def eligible(study: optuna.Study) -> list[FrozenTrial]:
    """Trials whose values may be chosen, the best first: cheap enough, and with a score."""
    found = [t for t in finished(study) if t.user_attrs["cost"] <= HIGHEST_COST and t.user_attrs["score"] > 0]
    return sorted(found, key=lambda trial: trial.user_attrs["score"], reverse=True)


def best_score(study: optuna.Study) -> float:
    """The highest score of eligible trials, 0 without any."""
    return max((trial.user_attrs["score"] for trial in eligible(study)), default=0.0)
