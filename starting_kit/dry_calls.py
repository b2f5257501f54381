"""Dry calls find out which batches a solution reads; of two that failed, the one that came further says why."""

import copy
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from torch import nn
from torch.utils.data import DataLoader

from starting_kit.contract import BatchFormat, Solution
from starting_kit.errors import SolutionError
from starting_kit.generators import random_state_restored
from starting_kit.loaders import ResidentLoader
from starting_kit.loading import own_lines
from starting_kit.runner import call
from starting_kit.tasks.data import Data
from starting_kit.tasks.task import Task
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


def furthest(failures: Sequence[Failure], path: Path) -> Failure:
    """The failure of the call that came furthest, which is likely to have got the batches that the solution reads."""
    return max(failures, key=lambda failure: failure.progress(path))


def find_batches(
    solution: Solution, net: nn.Module, task: Task, data: Data, device: str = "cpu", data_free: bool = False
) -> BatchFormat:
    """The format of batches that a solution reads: the one it declares, else the first with which a dry call succeeds.

    The dry calls, first with tuples and then with dicts, get a copy of the network. One that goes on for long after it has read
    a batch is ended, and counts as a success. The random state is restored.

    Args:
        solution: what to run, with which hyper-parameters.
        net: the original model; stays as it is.
        task: gives the loaders' batch size.
        data: of the task.
        device: where network and batches lie.
        data_free: give it loaders that hold no data.

    Raises:
        DataWithheldError: the solution reads data that it is not given.
        SolutionError: it raises with both.
    """
    if solution.batches is not None:
        return solution.batches
    failures: list[Failure] = []
    formats: tuple[BatchFormat, ...] = ("tuple", "dict")
    for batches in formats:
        failure = dry_call(solution, net, task, data, batches, device, data_free)
        if failure is None:
            return batches
        failures.append(failure)
    if len({str(failure.error) for failure in failures}) == 1:
        raise SolutionError(
            f"{solution.name} fails in a dry call, with either kit's batches: {failures[0].error}."
        ) from failures[0].error
    failure = furthest(failures, solution.path)
    raise SolutionError(
        f"{solution.name} fails in a dry call with {failure.format} batches: {failure.error}."
    ) from failure.error


def dry_call(
    solution: Solution,
    net: nn.Module,
    task: Task,
    data: Data,
    batches: BatchFormat,
    device: str = "cpu",
    data_free: bool = False,
) -> Failure | None:
    """Call a solution with batches of one format, and say what went wrong; arguments and random state as for `find_batches`."""
    longest = time.monotonic() + (DRY_CALL if data_free else LONGEST_DRY_CALL)
    with random_state_restored(), batches_counted() as count:
        try:
            with time_limit(DRY_CALL, lambda: count.batches > 0 or time.monotonic() >= longest):
                call(solution, copy.deepcopy(net), task, data, batches, device, data_free)
        except TimeUpError:
            return None
        except SolutionError as error:
            return Failure(batches, count.batches, error)
    return None
