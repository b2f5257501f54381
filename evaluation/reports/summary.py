"""A scorecard, and the list of tasks, for people at a terminal."""

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import UNSET, UnsetType
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from evaluation.metric.forgetting import BIN_WIDTH, histogram, points
from evaluation.metric.measured import Interval, Means, Measured
from evaluation.reports.formats import (
    alarms,
    equal_models,
    failed_runs,
    from_originals,
    interval,
    marked,
    number,
    percent,
    values_in_use,
)
from evaluation.scoring.scorecard import ClassForgetting, Estimate, Opinion, PerPopulation, Scorecard
from starting_kit.tasks.task import Task

BAR_WIDTH = 40
NEARER_TO = {"retrained": "retrained", "originals": "originals", "neither": "[red]neither[/]", "undecided": "not decided"}
FOOTNOTE = (
    "In brackets: 95 % intervals. Ceiling: retrained models against other retrained models; originals: what doing nothing gets."
)


def show_tasks(known: Sequence[Task], screen: Console) -> None:
    """Print which tasks there are, and what they need."""
    table = Table("task", "data", "", box=None, header_style="dim", padding=(0, 1))
    for task in known:
        here = "embedded" if not task.marker_globs else "found" if task.is_there() else "not found"
        needs = f"\nneeds {escape(task.needs)}" if task.needs else ""
        table.add_row(task.name, here, f"{task.summary}; {task.network}, {task.recipe.epochs} epochs[dim]{needs}[/]")
    screen.print(table)
    screen.print(f"Data that are not embedded were looked for in {known[0].folder} (--data DIR or $UNLEARNING_DATA).")


def show(card: Scorecard, screen: Console) -> None:
    """Print a scorecard, and before anything else that its models are the same one or that runs failed, where they did."""
    for sentence in (*equal_models(card), *failed_runs(card)):
        screen.print(f"[bold red]{escape(sentence)}[/]", soft_wrap=True)
    lines = Table.grid(padding=(0, 2))
    for name, value in lines_of(card):
        lines.add_row(name, value)
    version = f" v{card.task_version}" if card.task_version else ""
    title = f"{card.solution} on {card.task}{version}, {card.models} models{from_originals(card)}"
    screen.print(Panel(lines, title=title, title_align="left", expand=False))
    screen.print(_histogram(np.array([each.epsilon for each in card.epsilons]), card.models))
    screen.print(_opinions(card.attacks, card.ceiling_models))
    for sentence in alarms(card):
        screen.print(marked(sentence), soft_wrap=True)
    if card.class_forgetting is not UNSET and card.class_forgetting.value:
        screen.print(_class_forgetting(card.class_forgetting.value))
    for note in [] if card.notes is UNSET else card.notes:
        screen.print(marked(note), soft_wrap=True)
    screen.print(FOOTNOTE)


def lines_of(card: Scorecard) -> Iterator[tuple[str, str]]:
    """What is said of a scorecard: names and texts."""
    if card.network:
        yield "forget, network", f"{card.forget}, {card.network} ({card.epochs} epochs)"
    if card.score.value is None:
        yield "score", f"- ({card.score.reason})"
    else:
        yield "score", _with_interval(f"[bold]{number(card.score)}[/]", card.score_interval)
    yield "score / ceiling", f"{percent(card.relative)}{_percent_interval(card.relative_interval)}"
    if card.pooled and card.by_original:
        bounds = Measured[Interval]() if card.pooled_interval is UNSET else card.pooled_interval
        yield "pooled score", f"{_with_interval(number(card.pooled.score), bounds)}, {percent(card.pooled.relative)} of ceiling"
        yield "original models", f"{percent(card.by_original.share_of_variance)} of the variance between runs"
    elif card.design == "one original":
        yield "original models", "one; the score of another one may well be a third higher or lower"
    of_models = "" if card.ceiling_models == card.models else f" ({card.ceiling_models} models)"
    untouched = f"{number(card.originals_score)}{_originals_share(card)}"
    yield "ceiling, originals", f"{number(card.ceiling)}{of_models}, {untouched}"
    yield "forgetting quality F", _with_interval(number(card.forgetting_quality), card.forgetting_interval)
    yield from _control_lines(card)
    yield from _accuracy_lines(card)
    yield from _cost_lines(card)
    if card.engine:
        lockstep = f"lockstep, {card.engine.models_at_once} models at once"
        alone = f"one model at a time ({escape(card.engine.reason)})"
        yield "engine", lockstep if card.engine.unlearning == "lockstep" else alone
    if card.environment.sandbox:
        yield "sandbox", escape(card.environment.sandbox)
    if card.hyperparameters and card.hyperparameters.values:
        yield "hyper-parameters", escape(values_in_use(card.hyperparameters))
    if card.forgetting_interval.value is None:
        yield "intervals", f"none ({card.forgetting_interval.reason})"


def _originals_share(card: Scorecard) -> str:
    """How well the originals are found out."""
    share = UNSET if card.originals_relative is UNSET else card.originals_relative.value
    if share is UNSET or share is None:
        return ""
    models = "" if card.originals_models is UNSET else f", {card.originals_models} models"
    return f" ({share:.1%} of the ceiling{models})"


def _control_lines(card: Scorecard) -> Iterator[tuple[str, str]]:
    if card.memorisation is not UNSET and (memorised := card.memorisation.value):
        of_thirds = ", ".join(f"{quality:.3f}" for quality in memorised.forgetting_quality)
        yield "to forget (D)", f"median {memorised.median:.2f} s.d.; F by thirds {of_thirds}"
    if card.nearness is not UNSET and (near := card.nearness.value):
        aside = f", {near.off_axis:.2f} off" if near.off_axis >= 0.005 else ""
        place = f"{near.position:.2f} \\[{interval(Measured(near.interval))}] of the way{aside}"
        yield "nearer to", f"{NEARER_TO[near.nearer_to]}: {place}"


def _accuracy_lines(card: Scorecard) -> Iterator[tuple[str, str]]:
    for split, accuracy, ratio, bounds in (
        ("retain", card.retain_accuracy.value, card.retain_ratio.value, card.retain_ratio_interval),
        ("test", card.test_accuracy.value, card.test_ratio.value, card.test_ratio_interval),
    ):
        if accuracy and ratio is not None:
            yield f"{split} accuracy", f"{_with_interval(f'× {ratio:.4f}', bounds)}  ({_of_retrained(accuracy)})"
    if accuracy := card.forget_accuracy.value:
        yield "forget accuracy", f"{_of_retrained(accuracy)} retrained"
    for split, error in (("test", card.test_age_error), ("forget", card.forget_age_error)):
        if error is not UNSET:
            yield f"{split} age error", f"{error.unlearned:.2f} years, retrained {error.retrained:.2f}"


def _cost_lines(card: Scorecard) -> Iterator[tuple[str, str]]:
    if card.cost is None:
        return
    limit = "[red]above[/] the limit of 20 %" if card.is_above_limit else "within the limit of 20 %"
    if card.is_undecided:
        limit = "[yellow]undecided[/] whether above 20 %: the same command times it further"
    yield "cost", f"{card.cost:.1%}{_percent_interval(card.cost_interval)} of a retraining, {limit}"
    if card.operations is not UNSET:
        counted = card.operations.value
        yield (
            "operations",
            f"- ({escape(str(card.operations.reason))})" if counted is None else f"{counted:.1%} of a retraining's",
        )


def _percent_interval(bounds: Measured[Interval] | UnsetType) -> str:
    if bounds is UNSET or bounds.value is None:
        return ""
    low, high = bounds.value
    return f"  \\[{low:.1%}–{high:.1%}]"


def _with_interval(value: str, bounds: Measured[Interval]) -> str:
    return f"{value}  \\[{interval(bounds)}]" if bounds.value else value


def _of_retrained(accuracy: Means) -> str:
    """Accuracies in percent; 100 % only where every answer was right."""
    values = accuracy.unlearned, accuracy.retrained
    unlearned, retrained = (f"{value if value == 1 else min(value, 0.9999):.2%}" for value in values)
    return f"{unlearned} of {retrained}"


def headlines(opinions: dict[str, Opinion]) -> Iterator[tuple[str, Opinion, list[float | None]]]:
    """The most telling numbers of second opinions: what they are called, of unlearned and of retrained models."""
    from evaluation.attacks import ATTACKS  # takes a second, and is not needed for errors and progress

    for attack in ATTACKS:
        opinion = opinions[attack.name]
        for statistic, name in attack.headlines.items():
            yield name, opinion, [found[statistic] if found else None for found in (opinion.unlearned, opinion.retrained)]


def _opinions(opinions: dict[str, Opinion], models: int) -> Table:
    """The second opinions, each by its most telling numbers, or why it has none."""
    table = Table(box=None, header_style="dim", padding=(0, 1))
    for title in ("second opinion", "unlearned", f"retrained ({models} models)"):
        table.add_column(title, no_wrap=True)
    reasons = []
    for name, opinion, values in headlines(opinions):
        table.add_row(name, *("-" if value is None else f"{value:.3f}" for value in values))
        if None in values:
            reasons.append(str(opinion.reason))
    table.caption = "- : " + "; ".join(dict.fromkeys(reasons)) if reasons else None
    table.caption_justify = "left"
    return table


def _class_forgetting(measures: ClassForgetting) -> Table:
    """The measures of the forgetting of a class, mean and interval, or why there are none."""
    from evaluation.scoring.class_forgetting import MEASURES  # as in `_opinions`

    table = Table(box=None, header_style="dim", padding=(0, 1), caption_justify="left")
    kinds = ("unlearned", "retrained", "original")
    for title in (f"forgetting class {measures.forgotten}", *kinds):
        table.add_column(title, no_wrap=True)
    found: dict[str, Measured[dict[str, Estimate]]] = {name: getattr(measures, name) for name in MEASURES}
    for name, title in MEASURES.items():
        estimates = found[name].value or {}
        table.add_row(title, *(_plus_or_minus(estimates[kind]) if kind in estimates else "-" for kind in kinds))
    index = measures.anamnesis_index.value
    if index:
        table.add_row("batches to relearn", *_relearn_times(index.relearn_batches, index.capped))
        table.add_row("AIN (Anamnesis Index)", f"{index.value:.3f} \\[{interval(index.interval)}]", "1")
    else:
        table.add_row("AIN (Anamnesis Index)", "-", "-", "-")
    reasons = [reason for reason in (*(each.reason for each in found.values()), measures.anamnesis_index.reason) if reason]
    table.caption = "- : " + "; ".join(map(escape, dict.fromkeys(reasons))) if reasons else None
    return table


def _relearn_times(batches: PerPopulation, capped: PerPopulation) -> Iterator[str]:
    for taken, caps in ((batches.unlearned, capped.unlearned), (batches.retrained, capped.retrained)):
        yield f"{np.mean(taken):.1f}" + (f" ({caps} capped)" if caps else "")


def _plus_or_minus(estimate: Estimate) -> str:
    """A mean, and how far its interval reaches at most."""
    low, high = estimate.interval
    return f"{estimate.mean:.3f} ± {max(estimate.mean - low, high - estimate.mean):.3f}"


def _histogram(epsilons: np.ndarray, models: int) -> Table:
    """Forget examples by ε, in the bins in which they earn points."""
    table = Table("ε", "points", "examples", "", box=None, header_style="dim", padding=(0, 1))
    lows, counts = histogram(epsilons, models)
    for low, count in zip(lows, counts, strict=True):
        worth = points(np.array([low]), models)[0]
        label = f"from {low:.1f}" if low == lows[-1] else f"{low:.1f} - {low + BIN_WIDTH:.1f}"
        table.add_row(label, f"{worth:.4g}", str(count), "█" * round(BAR_WIDTH * count / max(counts.max(), 1)))
    return table
