"""How far a call of a solution came: of two that failed, with the batches of either kit, one was given the wrong kit's."""

import re
import time
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
from starting_kit.time_limit import TimeUpError, time_limit

DRY_CALL = 5.0  # seconds after which a dry call that has read a batch counts as a success
LONGEST_DRY_CALL = 60.0  # seconds after which one that has read none does
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


def attempt(call: Callable[[], object], batches: BatchFormat, data_free: bool) -> Failure | None:
    """Try a call; None if it succeeds, or if it still goes on a while after it has read the first batch.

    Args:
        call: of a solution.
        batches: that it is given.
        data_free: whether it can read none.
    """
    longest = time.monotonic() + (DRY_CALL if data_free else LONGEST_DRY_CALL)
    with batches_counted() as count:
        try:
            with time_limit(DRY_CALL, lambda: count.batches > 0 or time.monotonic() >= longest):
                call()
        except TimeUpError:
            return None
        except SolutionError as error:
            return Failure(batches, count.batches, error)
    return None


def verdict(name: str, path: Path, failures: Sequence[Failure]) -> SolutionError:
    """The error to raise where the calls with both formats failed: of two errors, that of the call that came further.

    Args:
        name: of the solution.
        path: of the solution.
        failures: of the calls.
    """
    if len({str(failure.error) for failure in failures}) == 1:
        return SolutionError(f"{name} fails in a dry call, with either kit's batches: {failures[0].error}.")
    furthest = max(failures, key=lambda failure: failure.progress(path))
    return SolutionError(f"{name} fails in a dry call with {furthest.format} batches: {furthest.error}.")
