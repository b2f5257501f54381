"""What workers do, as functions: the scoring process names them, a worker calls them.

What they stand for needs torch, which the scoring process does not load; so each imports it when it is called.
"""

import dataclasses
from contextlib import suppress
from pathlib import Path
from typing import Any

from evaluation.metric.measured import Measured
from evaluation.populations.made import FailedRun, Made, Parcel, Probe, Start
from evaluation.populations.population import Population
from starting_kit.contract import BatchFormat, Solution
from starting_kit.errors import InputError
from starting_kit.tasks.task import Engine, Task


def get_ready(task: Task) -> None:
    """Import what other jobs need, and read the data; where these cannot be read, `look_at_data` says so."""
    from evaluation.populations import materials, timing, trying  # noqa: F401

    with suppress(InputError):
        materials.load_data(task)


def get_ready_for_solutions(task: Task) -> None:
    """As `get_ready`, for a worker in which solutions run: it knows no labels of test examples."""
    from evaluation.populations import materials

    get_ready(task)
    materials.withhold_test_labels()


def probe(secret: Path, folder: Path, parent: int) -> Probe:
    """See `probing`."""
    from evaluation.populations import probing

    return probing.probe(secret, folder, parent)


def describe_solution(
    path: Path, settings: tuple[str, ...], tuned: dict[str, Any] | None, retain: int | None = None
) -> tuple[Solution, str]:
    """See `contract.describe`; values that may be tuples, which messages do not have, are apart, as Python literals."""
    from starting_kit import contract

    found = contract.describe(path, settings, tuned, retain)
    ranges = {name: dataclasses.astuple(limits) for name, limits in found.search_space.items()}
    return dataclasses.replace(found, overrides={}, search_space={}), repr((found.overrides, ranges))


def name_of_device(device: str) -> str:
    """See `trying`."""
    from evaluation.populations import trying

    return trying.name_of_device(device)


def instruction_set() -> str:
    """See `trying`."""
    from evaluation.populations import trying

    return trying.instruction_set()


def look_at_data(task: Task) -> tuple[str, list[str]]:
    """See `trying`."""
    from evaluation.populations import trying

    return trying.look_at_data(task)


def retain_examples(task: Task) -> int:
    """How many a task has."""
    from evaluation.populations import materials

    return len(materials.load_data(task).retain)


def usable_engine(task: Task) -> tuple[Engine, str | None]:
    """See `training`."""
    from starting_kit import training

    return training.usable_engine(task)


def find_batches(original: Population, solution: Solution, data_free: bool, start: Start) -> tuple[BatchFormat, list[str]]:
    """See `trying`."""
    from evaluation.populations import materials, trying

    materials.give(original, start)
    return trying.find_batches(original, solution, data_free)


def objection_to_lockstep(
    original: Population, solution: Solution, batches: BatchFormat, data_free: bool, start: Start
) -> str | None:
    """See `trying`."""
    from evaluation.populations import materials, trying

    materials.give(original, start)
    return trying.objection_to_lockstep(original, solution, batches, data_free)


def make_shard(population: Population, shard: int, models: list[int]) -> None:
    """See `worker`."""
    from evaluation.populations import worker

    worker.make_shard(population, shard, models)


def run_solution(population: Population, models: list[int], start: Start) -> Made:
    """See `worker`."""
    from evaluation.populations import materials, worker

    materials.give(population, start)
    return worker.run_solution(population, models)


def store_models(population: Population, shards: list[tuple[int, list[tuple[int, Parcel]]]]) -> list[FailedRun]:
    """See `worker`; of several shards."""
    from evaluation.populations import worker

    return [run for shard, made in shards for run in worker.store_models(population, shard, made)]


def time_unlearning(unlearned: Population, model: int, start: Start) -> float:
    """See `timing`."""
    from evaluation.populations import materials, timing

    materials.give(unlearned, start)
    return timing.time_unlearning(unlearned, model)


def time_retraining(retrained: Population, model: int) -> float:
    """See `timing`."""
    from evaluation.populations import timing

    return timing.time_retraining(retrained, model)


def kind_of_machine(device: str) -> str:
    """See `timing`."""
    from evaluation.populations import timing

    return timing.kind_of_machine(device)


def operations_of_unlearning(unlearned: Population, start: Start) -> Measured[int]:
    """See `operations`."""
    from evaluation.populations import materials, operations

    materials.give(unlearned, start)
    return operations.of_unlearning(unlearned)


def operations_of_retraining(retrained: Population) -> Measured[int]:
    """See `operations`."""
    from evaluation.populations import operations

    return operations.of_retraining(retrained)


def draw(unlearned: Population, start: Start) -> bytes:
    """See `drawing`."""
    from evaluation.populations import drawing, materials

    materials.give(unlearned, start)
    return drawing.draw(unlearned)


def accuracy_to_reach(original: Population, unlearned: int) -> float | None:
    """See `relearning`."""
    from evaluation.populations import relearning

    return relearning.accuracy_to_reach(original, unlearned)


def relearn(population: Population, model: int, target: float, path: Path) -> None:
    """See `relearning`."""
    from evaluation.populations import relearning

    relearning.relearn(population, model, target, path)
