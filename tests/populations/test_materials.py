"""Data sets are read once per worker."""

import dataclasses

import numpy as np
import pytest

from evaluation.populations import materials
from starting_kit import tasks

TASK = tasks.find("digits")


@pytest.fixture
def read(monkeypatch):
    """A task that notes each time when it is read."""
    monkeypatch.setattr(materials, "_data", {})
    times = []

    def reader(*arguments):
        times.append(arguments)
        return TASK.read(*arguments)

    return dataclasses.replace(TASK, read=reader), times


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "1234"},
        {"recipe": dataclasses.replace(TASK.recipe, epochs=1)},
        {"changed": ("recipe",)},
        {"network": "resnet18"},
        {"unlearned_at_once": 1},
        {"loader_batch_size": 8},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_task_that_differs_in_something_else_has_the_same_data(read, changes):
    task, times = read
    first = materials.load_data(task)
    assert materials.load_data(task) is first
    assert materials.load_data(dataclasses.replace(task, **changes)) is first
    assert len(times) == 1


@pytest.mark.parametrize("forget", ["class:3", "random:0.1"])
def test_another_forget_request_is_read_again(read, forget):
    task, times = read
    first = materials.load_data(task)
    other = materials.load_data(dataclasses.replace(task, forget=forget))
    assert len(times) == 2
    assert not np.array_equal(other.forget, first.forget)
    assert materials.load_data(dataclasses.replace(task, forget=forget)) is other


def test_only_one_data_set_is_kept(read):
    task, _ = read
    materials.load_data(task)
    materials.load_data(dataclasses.replace(task, forget="class:3"))
    assert len(materials._data) == 1
