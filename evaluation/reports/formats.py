"""Numbers and other contents of scorecards for people."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import UNSET, UnsetType
from rich.markup import escape

from evaluation.metric.measured import LEVEL, Interval, Measured
from evaluation.scoring.scorecard import Environment, Hyperparameters, Scorecard

SOURCES: dict[str | UnsetType, str] = {
    "published": "published",
    "author": "the author's",
    "tuned": "tuned for this task",
    "transferred": "carried over by steps",
    UNSET: "set in part",
}
NOT_RECORDED = "not recorded"
FOUND_OUT = 0.5  # of the ceiling: what originals score at most where they are found out


def equal_models(card: Scorecard) -> Iterator[str]:
    """What is to be said first where models are one and the same: the score takes them for independent ones."""
    retrained = card.models if card.retrained_models is UNSET else card.retrained_models
    for different, models, kind, whose, unchanged in (
        (card.different_models, card.models, "models", "the solution", ", or it leaves the network as it was"),
        (card.different_retrained_models, retrained, "retrained models", "their training", ""),
    ):
        if different is not UNSET:
            what = f"{models} {kind}, but only {different} different ones"
            why = f"{whose} sets a seed itself or leaves too little to chance"
            if different == 1:
                what = f"all {models} {kind} are the same"
            elif unchanged and different == card.originals:
                what = f"all runs from one original model are the same ({models} {kind}, {different} different ones)"
            why += unchanged if different <= (card.originals or 1) else ""
            yield f"{what}: {why}. The score takes them for {models} that differ."


def from_originals(card: Scorecard) -> str:
    """From how many original models the unlearned ones come, and what that makes of the score; after the number of models."""
    if card.originals is None:
        return ""
    if card.originals == 1:
        return " from one original"
    return f" from {card.originals} originals{', averaged' if card.question == 'averaged' else ', pooled'}"


def machines(cards: Sequence[Scorecard]) -> list[str]:
    """A warning where entries come from different kinds of machines, or it is not known from which; else nothing."""
    kinds = Counter(_kind(card.environment) for card in cards if card.task_version is not None)  # others: made elsewhere
    if kinds.total() < 2 or (len(kinds) == 1 and NOT_RECORDED not in kinds):
        return []
    counts = ", ".join(f"{kind}: {entries}" for kind, entries in sorted(kinds.items()))
    return [
        f"Not all entries are known to come from one kind of machine ({counts}): the same command gives other numbers on "
        "another kind, see docs/statistics.md."
    ]


def _kind(made_with: Environment) -> str:
    """What decides how numbers are rounded: the GPU, or the CPU's instructions."""
    if made_with.device != "cpu":
        return made_with.device
    return NOT_RECORDED if made_with.instruction_set is UNSET else made_with.instruction_set


def failed_runs(card: Scorecard) -> Iterator[str]:
    """How many runs gave no model, and how many lie far from the others, if more than retrained models do."""
    if card.failed_runs is not UNSET:
        failed, reasons = card.failed_runs.models, card.failed_runs.reasons
        numbers = f"{'model' if len(failed) == 1 else 'models'} {', '.join(map(str, failed))}"
        yield (
            f"{len(failed)} of {card.models} runs failed ({numbers}): {'; '.join(reasons)}. In the score they are models "
            "that are told from retrained ones with certainty; the same command tries them again."
        )
    runs = card.outlying_runs
    if runs is not UNSET and runs.unlearned > runs.retrained:
        yield (
            f"{runs.unlearned} of {card.models} runs lie far from the others (of retrained models {runs.retrained}): they "
            "failed, or nearly, and a few of them decide the score and widen its interval."
        )


def alarms(card: Scorecard) -> Iterator[str]:
    """What the controls have against the numbers: originals that are not found out, retrained models that are."""
    share = None if card.originals_relative is UNSET else card.originals_relative.value
    if share is not None and share > FOUND_OUT:
        yield (
            f"WARNING: the untouched originals score {share:.0%} of the ceiling: there is little to forget on this task, and "
            "scores on it mean little."
        )
    for name, opinion in card.attacks.items():
        if opinion.false_alarms is not UNSET and opinion.false_alarms > LEVEL:
            yield (
                f"false alarm: {name} calls retrained models different from retrained ones in {opinion.false_alarms:.0%} of "
                f"its tests, at a level of {LEVEL:.0%}."
            )


def marked(sentence: str) -> str:
    """A note for the console, marked as one; one that begins with WARNING louder."""
    _, loud, text = sentence.rpartition("WARNING: ")
    return f"{'[bold red]warning:[/]' if loud else '[yellow]note:[/]'} {escape(text)}"


def values_in_use(used: Hyperparameters) -> str:
    """The values of hyper-parameters, and where they come from."""
    by_user = [] if used.set is UNSET else used.set
    others = [name for name in used.values if name not in by_user]
    source = SOURCES[used.others if used.source == "set" else used.source]
    source += "" if used.loader_batch_size is UNSET else f" (loaders in batches of {used.loader_batch_size})"

    def listed(names: list[str]) -> str:
        return ", ".join(f"{name}={used.values[name]}" for name in names)

    return "; ".join(f"{whose}: {listed(names)}" for whose, names in (("set by you", by_user), (source, others)) if names)


def known(value: float | Measured[float] | None) -> float | None:
    """The number itself, None where there is none."""
    return value.value if isinstance(value, Measured) else value


def percent(value: float | Measured[float] | None) -> str:
    """A share."""
    number = known(value)
    return "-" if number is None else f"{number:.1%}"


def number(value: float | Measured[float] | None) -> str:
    """A score."""
    found = known(value)
    return "-" if found is None else f"{found:.4f}"


def interval(bounds: Measured[Interval]) -> str:
    """An interval, in as many digits as tell its ends apart."""
    if bounds.value is None:
        return "-"
    low, high = bounds.value
    digits = 4 if high == low else min(max(1 - math.floor(math.log10(high - low)), 2), 5)
    return f"{low:.{digits}f}–{high:.{digits}f}"
