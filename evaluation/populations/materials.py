"""What a worker works with: a task's data, the original models, a solution that has not changed, and where its prints go."""

import dataclasses
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evaluation.populations import weights
from evaluation.populations.made import Start
from evaluation.populations.population import Population
from evaluation.populations.serving import printed_file
from starting_kit.contract import Solution
from starting_kit.errors import InputError, SourceChangedError, first_line
from starting_kit.files import Arrays
from starting_kit.networks import build
from starting_kit.sources import are_unchanged
from starting_kit.streams import printed
from starting_kit.tasks.data import Data
from starting_kit.tasks.task import Task

MAX_PRINTED = 10_000  # characters of a call's output that are kept

_data: dict[Any, Data] = {}
_given: dict[tuple[str, int], Arrays] = {}


def load_data(task: Task) -> Data:
    """The task's data, read once per worker.

    Only what determines them is looked at: while the populations are planned the task changes, its digest for example.
    """
    key = (task.read, task.folder, task.forget, task.classes, task.seed)
    if key not in _data:
        _data.clear()  # a worker has one task
        _data[key] = task.load()
    return _data[key]


def withhold_test_labels() -> None:
    """Forget the labels of test examples. Their images stay: networks that consist of a stranger's code are evaluated here."""
    if not _data:  # they could not be read, as `look_at_data` says
        return
    (key,) = _data
    labels = _data[key].labels.copy()
    labels[_data[key].test] = 0
    _data[key] = dataclasses.replace(_data[key], labels=labels)


def original_model(population: Population, model: int = 0) -> nn.Module:
    """A copy of one of the original models that unlearning starts from; the first may come with the data set.

    Raises:
        InputError: the data set's own does not fit its network.
        RunError: the file is gone.
    """
    if model == 0 and population.task.original is not None:
        return _load_file(build(population.task, seed=0), population.task.original).eval()
    given = _given.get((population.key, model))
    return weights.load(population, model) if given is None else weights.network(population, given)


def give(population: Population, start: Start) -> None:
    """Have `original_model` find models here that it may not read: original ones of a population, or of that it comes from."""
    original = population.original or population
    _given.clear()
    _given.update({(original.key, model): arrays for model, arrays in start.items()})


def _load_file(net: nn.Module, path: Path) -> nn.Module:
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{path} holds no weights of this {type(net).__name__} ({first_line(error)}); --network says which it is."
        ) from error
    return net


def require_unchanged(solution: Solution) -> None:
    """Refuse to go on with a solution that has been edited.

    Raises:
        SourceChangedError: one of its files is not what it was when scoring began.
    """
    if not are_unchanged(solution.path, solution.sources, solution.files):
        raise SourceChangedError(f"{solution.path} was changed in the meantime; run the same command again.")


@contextmanager
def printing_to(population: Population, title: str) -> Iterator[None]:
    """Collect what a solution prints for `output.log` of its population, instead of across the progress bars."""
    with printed() as stream:
        try:
            yield
        finally:
            if text := stream.text[-MAX_PRINTED:].strip():
                path = printed_file(population.folder)
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a", encoding="utf-8") as log:
                    log.write(f"--- {title}\n{text}\n")
