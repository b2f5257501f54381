"""What a person sees while work goes on: a reporter for terminals."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from evaluation.reports.formats import marked
from evaluation.scoring.reporter import OnFinished

messages = Console(stderr=True, highlight=False)


class Speed(ProgressColumn):
    """Models per second since the stage began."""

    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else f"{task.speed:.1f} models/s")


class ConsoleReporter:
    """Tells everything on standard error, with bars and spinners where that is a terminal.

    Args:
        screen: where to.
    """

    def __init__(self, screen: Console = messages) -> None:
        self.screen = screen

    def say(self, sentence: str) -> None:
        """Print a sentence as it is."""
        self.screen.print(escape(sentence), soft_wrap=True)

    def notice(self, sentence: str) -> None:
        """Print a sentence, marked as a note."""
        self.screen.print(marked(sentence), soft_wrap=True)

    @contextmanager
    def stage(self, title: str, models: int) -> Iterator[OnFinished]:
        """Progress of one stage: yields what is to be called with the number of models newly finished.

        Models that are there already are reported by the first call, and do not count for the speed.
        """
        columns = (TextColumn("{task.description:18}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn())
        start = time.monotonic()
        found: list[int] = []
        with Progress(*columns, console=self.screen, transient=True, disable=not self.screen.is_terminal) as progress:
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
        self.screen.print(f"{title:18} {models} models ({how})")

    @contextmanager
    def trials(self, title: str, wanted: int) -> Iterator[Callable[[int, float], None]]:
        """A bar of trials, with the best score so far."""
        best_so_far = TextColumn("best so far {task.fields[best]:.4f}")
        columns = (TextColumn("{task.description:18}"), BarColumn(), MofNCompleteColumn(), best_so_far, TimeRemainingColumn())
        with Progress(*columns, console=self.screen, transient=True, disable=not self.screen.is_terminal) as progress:
            bar = progress.add_task(title, total=wanted, best=0.0)
            yield lambda done, best: progress.update(bar, completed=done, best=best)

    @contextmanager
    def waiting(self, title: str) -> Iterator[Callable[[str], None]]:
        """A spinner."""
        with self.screen.status(title) as status:
            yield status.update
