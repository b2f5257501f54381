"""What a person sees: progress while models are made, and a readable scorecard at the end."""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from evaluation.forgetting import BIN_WIDTH, end_of_bins, points

FEW_MODELS = 64
BAR_WIDTH = 40

messages = Console(stderr=True, highlight=False)


def notice(sentence: str) -> None:
    """Tell the user something while work goes on."""
    messages.print(f"[yellow]note:[/] {escape(sentence)}", soft_wrap=True)


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


def of_ceiling(scorecard: dict[str, Any]) -> str:
    """The score as a share of the ceiling, for people."""
    return f"{scorecard['score'] / scorecard['ceiling']:.1%}" if scorecard["ceiling"] else "-"


def summary(scorecard: dict[str, Any], console: Console) -> None:
    """Print a scorecard for a person."""
    models = scorecard["models"]
    lines = Table.grid(padding=(0, 2))
    retain, test, forget = (scorecard[f"{split}_accuracy"] for split in ("retain", "test", "forget"))
    engine = scorecard["engine"]
    limit = "within" if scorecard["within_limit"] else "[red]above[/]"
    rows = [
        ("score", f"[bold]{scorecard['score']:.4f}[/]"),
        ("score / ceiling", of_ceiling(scorecard)),
        ("ceiling, floor", f"{scorecard['ceiling']:.4f}, {scorecard['floor']:.4f}"),
        ("forgetting quality F", f"{scorecard['forgetting_quality']:.4f}"),
        ("retain accuracy", _ratio(scorecard["retain_ratio"], retain)),
        ("test accuracy", _ratio(scorecard["test_ratio"], test)),
        ("forget accuracy", f"{forget['unlearned']:.2%} of {forget['retrained']:.2%} retrained"),
        ("cost", f"{scorecard['cost']:.1%} of a retraining, {limit} the limit of 20 %"),
    ]
    if engine["unlearning"] == "lockstep":
        rows.append(("engine", f"lockstep, {engine['models_at_once']} models at once"))
    else:
        rows.append(("engine", f"one model at a time ({engine['reason']})"))
    for name, value in rows:
        lines.add_row(name, value)
    title = f"{scorecard['solution']} on {scorecard['task']} v{scorecard['task_version']}, {models} models"
    console.print(Panel(lines, title=title, title_align="left", expand=False))
    console.print(_histogram(np.array([entry["epsilon"] for entry in scorecard["epsilons"]]), models))
    console.print("ceiling: a second retrained population; floor: original models. Both against the retrained population.")
    if models < FEW_MODELS:
        notice(f"{models} models say little; from {FEW_MODELS} on the score means something, the competition took 512.")


def _ratio(ratio: float, accuracy: dict[str, float]) -> str:
    return f"× {ratio:.4f}  ({accuracy['unlearned']:.2%} of {accuracy['retrained']:.2%} retrained)"


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
