"""What long work tells whoever waits for it: one small protocol, handed down to all that takes time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from starting_kit.files import write_bytes

MAX_NOTICES = 20  # at a time

OnFinished = Callable[[int], None]  # called with the number of models newly finished


class Reporter(Protocol):
    """Whoever waits: a console, a notebook, a test, or nobody (`SILENT`)."""

    def say(self, sentence: str) -> None:
        """Tell of a step that was done."""

    def notice(self, sentence: str) -> None:
        """Tell something that the user should know while work goes on."""

    def stage(self, title: str, models: int) -> AbstractContextManager[OnFinished]:
        """Progress of one stage: gives what is to be called with the number of models newly finished.

        Models that are there already are reported by the first call, and do not count for the speed.
        """

    def trials(self, title: str, wanted: int) -> AbstractContextManager[Callable[[int, float], None]]:
        """Progress of trials: gives what is to be called with the number of those done, and the best score so far."""

    def waiting(self, title: str) -> AbstractContextManager[Callable[[str], None]]:
        """Something without a measure of progress: gives what is to be called with a new title."""


class Silent:
    """A reporter that tells nobody."""

    def say(self, sentence: str) -> None:
        """Say nothing."""

    def notice(self, sentence: str) -> None:
        """Say nothing."""

    @contextmanager
    def stage(self, title: str, models: int) -> Iterator[OnFinished]:
        """Show nothing."""
        yield lambda newly: None

    @contextmanager
    def trials(self, title: str, wanted: int) -> Iterator[Callable[[int, float], None]]:
        """Show nothing."""
        yield lambda done, best: None

    @contextmanager
    def waiting(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show nothing."""
        yield lambda title: None


SILENT = Silent()


def tell_all(reporter: Reporter, sentences: Sequence[str], log: Path) -> None:
    """Give several notices; if there are hundreds, the first ones, and the path of a log file that holds all of them.

    Raises:
        RunError: the log cannot be written.
    """
    for sentence in sentences[:MAX_NOTICES]:
        reporter.notice(sentence)
    if len(sentences) > MAX_NOTICES:
        write_bytes(log, "".join(f"{sentence}\n" for sentence in sentences).encode())
        reporter.notice(f"and {len(sentences) - MAX_NOTICES} more like these; all are in {log}")
