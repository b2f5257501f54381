"""How far a call of a solution came: of two that failed, with the batches of either kit, one was given the wrong kit's."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from torch.utils.data import DataLoader

from starting_kit.contract import BatchFormat
from starting_kit.errors import SolutionError
from starting_kit.loaders import ResidentLoader
from starting_kit.loading import own_lines

# What code says that reads tuples from dicts or dicts from tuples.
OF_FORMAT = re.compile(
    r"values to unpack|indices must be|'(str|list|tuple|dict)' object|KeyError|unhashable|unsupported operand"
)


class BatchCount:
    """Batches that loaders gave."""

    batches = 0


class _Counted:
    """An iterator of a loader that counts its batches."""

    def __init__(self, iterator: Iterator[Any], count: BatchCount) -> None:
        self.iterator, self.count = iterator, count

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> Any:
        batch = next(self.iterator)
        self.count.batches += 1
        return batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.iterator, name)


@contextmanager
def batches_counted() -> Iterator[BatchCount]:
    """While this lasts, count the batches that all loaders give."""
    count = BatchCount()

    def counting(ordinary: Callable[[Any], Iterator[Any]]) -> Callable[[Any], _Counted]:
        return lambda loader: _Counted(ordinary(loader), count)

    with ExitStack() as stack:
        for kind in (DataLoader, ResidentLoader):
            stack.enter_context(mock.patch.object(kind, "__iter__", counting(kind.__iter__)))
        yield count


@dataclass(frozen=True)
class Failure:
    """A dry call that failed.

    Attributes:
        format: of the batches that it was given.
        batches: how many of them it read.
        error: what went wrong.
    """

    format: BatchFormat
    batches: int
    error: SolutionError

    def progress(self, path: Path) -> tuple[int, bool, list[int]]:
        """How far it came: batches, whether it fails for another reason than their format, and lines of the solution."""
        cause = self.error.__cause__ or self.error
        lines = [line.lineno or 0 for line in own_lines(cause, path)]
        return self.batches, OF_FORMAT.search(str(self.error)) is None, lines


def furthest(failures: Sequence[Failure], path: Path) -> Failure:
    """The failure of the call that came furthest, which is likely to have got the batches that the solution reads."""
    return max(failures, key=lambda failure: failure.progress(path))
