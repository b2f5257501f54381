"""What a person sees: progress while models are made, and a readable scorecard at the end."""

import argparse
import math
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from evaluation.metric.forgetting import BIN_WIDTH, end_of_bins, points
from starting_kit.errors import InputError, RunError
from starting_kit.files import write_bytes
from starting_kit.tasks import task as tasks

FEW_MODELS = 64
MOST_NOTICES = 20  # at a time
BAR_WIDTH = 40

messages = Console(stderr=True, highlight=False)


def notice(sentence: str) -> None:
    """Tell the user something while work goes on."""
    messages.print(f"[yellow]note:[/] {escape(sentence)}", soft_wrap=True)


def notices(sentences: Sequence[str], log: Path) -> None:
    """Tell the user several things; if they are hundreds, the first, and where all of them are written."""
    for sentence in sentences[:MOST_NOTICES]:
        notice(sentence)
    if len(sentences) > MOST_NOTICES:
        write_bytes(log, "".join(f"{sentence}\n" for sentence in sentences).encode())
        notice(f"and {len(sentences) - MOST_NOTICES} more like these; all are in {log}")


def error(sentence: object) -> None:
    """Tell the user what went wrong."""
    messages.print(f"[bold red]error:[/] {escape(str(sentence))}", soft_wrap=True)


def command_parser(program: str, documentation: str | None) -> argparse.ArgumentParser:
    """A parser whose help is a command's module docstring, the examples of which (from the first "python") come last."""
    description, _, examples = (documentation or "").partition("\n\n    python")
    return argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=f"examples:\n    python{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run_command(work: Callable[[], None], debug: bool = False) -> int:
    """Do the work of a command and give its exit code; an error becomes a sentence.

    Args:
        work: may raise `InputError`, `RunError` or KeyboardInterrupt.
        debug: show where an error was raised.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        work()
    except (InputError, RunError) as failure:
        if debug:
            traceback.print_exc()
        error(failure)
        return 2 if isinstance(failure, InputError) else 1
    except KeyboardInterrupt:
        messages.print("Stopped. What was finished is kept; run the same command to go on.")
        return 130
    return 0


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class Speed(ProgressColumn):
    """Models per second since the stage began."""

    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else f"{task.speed:.1f} models/s")


@contextmanager
def stage(title: str, models: int) -> Iterator[Callable[[int], None]]:
    """Progress of one stage: yields what is to be called with the number of models newly finished.

    Models that are there already are reported by the first call, and do not count for the speed.
    """
    columns = (TextColumn("{task.description:18}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn())
    start = time.monotonic()
    found: list[int] = []
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        bar = progress.add_task(title, total=models)

        def on_finished(newly: int) -> None:
            if not found:
                found.append(newly)
                progress.update(bar, completed=newly)
                progress.reset(bar, completed=newly)
            else:
                progress.advance(bar, newly)

        yield on_finished
    seconds, made = time.monotonic() - start, models - sum(found)
    how = f"{made} made in {seconds:.0f} s, {made / seconds:.1f} models/s" if made else "all found"
    messages.print(f"{title:18} {models} models ({how})")


@contextmanager
def trials(title: str, wanted: int) -> Iterator[Callable[[int, float, str], None]]:
    """Progress of trials: yields what is to be called with the number of those done, the best score, and a line to print."""
    best_so_far = TextColumn("best so far {task.fields[best]:.4f}")
    columns = (TextColumn("{task.description:18}"), BarColumn(), MofNCompleteColumn(), best_so_far, TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        bar = progress.add_task(title, total=wanted, best=0.0)

        def on_finished(done: int, best: float, line: str) -> None:
            progress.update(bar, completed=done, best=best)
            if line:
                messages.print(escape(line), soft_wrap=True)

        yield on_finished


@contextmanager
def waiting(title: str) -> Iterator[Callable[[int], None]]:
    """A stage of one model: as `stage`, without a bar."""
    with messages.status(title):
        yield lambda newly: None


def list_of_tasks(known: Sequence[tasks.Task], console: Console) -> None:
    """Print which tasks there are, and what they need."""
    table = Table("task", "data", "", box=None, header_style="dim", padding=(0, 1))
    for task in known:
        here = "embedded" if not task.signs else "found" if task.is_there() else "not found"
        needs = f"\nneeds {escape(task.needs)}" if task.needs else ""
        table.add_row(task.name, here, f"{task.summary}; {task.network}, {task.recipe.epochs} epochs[dim]{needs}[/]")
    console.print(table)
    console.print(f"Data that are not embedded were looked for in {known[0].folder} (--data DIR or $UNLEARNING_DATA).")


def percent(value: float | None) -> str:
    """A share, for people."""
    return "-" if value is None else f"{value:.1%}"


def number(value: float | None) -> str:
    """A score, for people."""
    return "-" if value is None else f"{value:.4f}"


def interval(bounds: list[float] | None) -> str:
    """An interval, for people: as many digits as tell its ends apart."""
    if bounds is None:
        return "-"
    low, high = bounds
    digits = 4 if high == low else min(max(1 - math.floor(math.log10(high - low)), 2), 5)
    return f"{low:.{digits}f}–{high:.{digits}f}"


def summary(scorecard: dict[str, Any], console: Console) -> None:
    """Print a scorecard for a person."""
    lines = Table.grid(padding=(0, 2))
    for name, value in _lines(scorecard):
        lines.add_row(name, value)
    version = f" v{scorecard['task_version']}" if scorecard["task_version"] else ""
    originals = f" from {scorecard['originals']} original models" if (scorecard["originals"] or 1) > 1 else ""
    title = f"{scorecard['solution']} on {scorecard['task']}{version}, {scorecard['models']} models{originals}"
    console.print(Panel(lines, title=title, title_align="left", expand=False))
    console.print(_histogram(np.array([entry["epsilon"] for entry in scorecard["epsilons"]]), scorecard["models"]))
    console.print(_opinions(scorecard["attacks"], scorecard["ceiling_models"]))
    if measures := scorecard.get("class_forgetting"):
        console.print(_class_forgetting(measures))
    console.print(
        "In brackets: 95 % intervals. Ceiling: retrained models against other retrained models; floor: original ones."
    )
    if scorecard["models"] < FEW_MODELS:
        models = scorecard["models"]
        notice(f"{models} models say little; from {FEW_MODELS} on the score means something, the competition took 512.")


def _lines(scorecard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is said of a scorecard: names and texts."""

    def with_interval(name: str, value: str) -> str:
        bounds = scorecard[f"{name}_interval"]
        return f"{value}  [{interval(bounds)}]".replace("[", "\\[") if bounds else value

    if scorecard["network"]:
        yield "forget, network", f"{scorecard['forget']}, {scorecard['network']} ({scorecard['epochs']} epochs)"
    if scorecard["score"] is None:
        yield "score", f"- ({scorecard['score_reason']})"
    else:
        yield "score", f"[bold]{number(scorecard['score'])}[/]" + with_interval("score", "")
    yield "score / ceiling", percent(scorecard["relative"])
    of_models = "" if scorecard["ceiling_models"] == scorecard["models"] else f" ({scorecard['ceiling_models']} models)"
    yield "ceiling, floor", f"{number(scorecard['ceiling'])}{of_models}, {number(scorecard['floor'])}"
    yield "forgetting quality F", with_interval("forgetting", number(scorecard["forgetting_quality"]))
    for split in ("retain", "test"):
        if accuracy := scorecard[f"{split}_accuracy"]:
            ratio = with_interval(f"{split}_ratio", f"× {scorecard[f'{split}_ratio']:.4f}")
            yield f"{split} accuracy", f"{ratio}  ({_of_retrained(accuracy)})"
    if accuracy := scorecard["forget_accuracy"]:
        yield "forget accuracy", f"{_of_retrained(accuracy)} retrained"
    for split in ("test", "forget"):
        if error := scorecard.get(f"{split}_age_error"):
            yield f"{split} age error", f"{error['unlearned']:.2f} years, retrained {error['retrained']:.2f}"
    if scorecard["cost"] is not None:
        limit = "within" if scorecard["within_limit"] else "[red]above[/]"
        yield "cost", f"{scorecard['cost']:.1%} of a retraining, {limit} the limit of 20 %"
    if engine := scorecard["engine"]:
        lockstep = f"lockstep, {engine['models_at_once']} models at once"
        alone = f"one model at a time ({escape(engine['reason'])})"
        yield "engine", lockstep if engine["unlearning"] == "lockstep" else alone
    if scorecard["forgetting_interval"] is None:
        yield "intervals", f"none ({scorecard['forgetting_interval_reason']})"


def _of_retrained(accuracy: dict[str, float]) -> str:
    """Accuracies in percent; 100 % only where every answer was right."""
    unlearned, retrained = (f"{value if value == 1 else min(value, 0.9999):.2%}" for value in accuracy.values())
    return f"{unlearned} of {retrained}"


def _opinions(opinions: dict[str, dict[str, Any]], models: int) -> Table:
    """The second opinions, each by its most telling numbers, or why it has none."""
    from evaluation.attacks import ATTACKS  # takes a second, and is not needed for errors and progress

    table = Table(box=None, header_style="dim", padding=(0, 1))
    for title in ("second opinion", "unlearned", f"retrained ({models} models)"):
        table.add_column(title, no_wrap=True)
    reasons = []
    for attack in ATTACKS:
        opinion = opinions[attack.name]
        for statistic, name in attack.headlines.items():
            values = [opinion[kind] and opinion[kind][statistic] for kind in ("unlearned", "retrained")]
            table.add_row(name, *("-" if value is None else f"{value:.3f}" for value in values))
            if None in values:
                reasons.append(opinion["reason"])
    table.caption = "- : " + "; ".join(dict.fromkeys(reasons)) if reasons else None
    table.caption_justify = "left"
    return table


def _class_forgetting(measures: dict[str, Any]) -> Table:
    """The measures of the forgetting of a class, mean and interval, or why there are none."""
    from evaluation.scoring.class_forgetting import MEASURES  # as in `_opinions`

    table = Table(box=None, header_style="dim", padding=(0, 1), caption_justify="left")
    for title in (f"forgetting class {measures['class']}", "unlearned", "retrained", "original"):
        table.add_column(title, no_wrap=True)
    for name, title in MEASURES.items():
        values = [(measures[name] or {}).get(kind) for kind in ("unlearned", "retrained", "original")]
        table.add_row(title, *(_plus_or_minus(**value) if value else "-" for value in values))
    if index := measures["anamnesis_index"]:
        kinds = ("unlearned", "retrained")
        times = [f"{np.mean(index['relearn_batches'][kind]):.1f}" for kind in kinds]
        caps = [f" ({capped} capped)" if (capped := index["capped"][kind]) else "" for kind in kinds]
        table.add_row("batches to relearn", *(time + cap for time, cap in zip(times, caps, strict=True)))
        table.add_row("AIN (Anamnesis Index)", f"{index['value']:.3f} \\[{interval(index['interval'])}]", "1")
    else:
        table.add_row("AIN (Anamnesis Index)", "-", "-", "-")
    reasons = [reason for name, reason in measures.items() if name.endswith("_reason")]
    table.caption = "- : " + "; ".join(map(escape, dict.fromkeys(reasons))) if reasons else None
    return table


def _plus_or_minus(mean: float, interval: list[float]) -> str:
    """A mean, and how far its interval reaches at most."""
    return f"{mean:.3f} ± {max(mean - interval[0], interval[1] - mean):.3f}"


def _histogram(epsilons: np.ndarray, models: int) -> Table:
    """Forget examples by ε, in the bins in which they earn points."""
    table = Table("ε", "points", "examples", "", box=None, header_style="dim", padding=(0, 1))
    end = end_of_bins(models)
    edges = np.append(np.arange(0, end + BIN_WIDTH / 2, BIN_WIDTH), np.inf)
    counts = np.histogram(epsilons, edges)[0]
    for low, count in zip(edges[:-1], counts, strict=True):
        worth = points(np.array([low]), models)[0]
        label = f"from {low:.1f}" if low == end else f"{low:.1f} - {low + BIN_WIDTH:.1f}"
        table.add_row(label, f"{worth:.4g}", str(count), "█" * round(BAR_WIDTH * count / max(counts.max(), 1)))
    return table
