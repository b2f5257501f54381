"""Make, resume and load the shards of a population."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from evaluation.metric.designs import Groups
from evaluation.metric.outputs import Outputs
from evaluation.populations import jobs
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Population, describes_examples
from starting_kit.files import Arrays, DamagedFileError, make_folder, read_arrays, write_json
from starting_kit.tasks.data import SPLITS


def make(
    population: Population,
    models: int,
    executor: LocalProcesses,
    on_finished: Callable[[int], None],
    notice: Callable[[str], None],
) -> None:
    """Make those of the first `models` models that are not stored yet.

    Two processes that want the same population take turns, so the second finds what the first has made.

    Args:
        population: what to make.
        models: how many.
        executor: where.
        on_finished: called with the number of models newly finished, or found.
        notice: called with a sentence for the user.

    Raises:
        RunError: a run failed; what was finished is kept.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    with prepared(population, notice):
        missing = missing_models(population, models, notice)
        on_finished(models - sum(len(wanted) for wanted in missing.values()))
        wanted = [(population, shard, models_of_shard) for shard, models_of_shard in missing.items()]
        remarks = executor.run_all(jobs.make_shard, wanted, on_finished)
    for remark in sorted({remark for of_shard in remarks for remark in of_shard}):
        notice(f"{remark}.")


def make_originals(
    population: Population,
    models: int,
    executor: LocalProcesses,
    on_finished: Callable[[int], None],
    notice: Callable[[str], None],
) -> None:
    """Make the first of the original models that unlearning starts from, unless they are there already.

    Args:
        population: of the original models.
        models: how many are needed.
        executor: where they are trained.
        on_finished: called with the number of models newly finished, or found.
        notice: called with a sentence for the user.

    Raises:
        RunError: training failed, or a file cannot be written; what was finished is kept.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    first = 0 if population.task.original is None else 1  # that one comes with the data set
    with prepared(population, notice):
        wanted = [model for model in range(first, models) if not is_stored(population.weights_path(model), notice)]
        on_finished(models - len(wanted))
        shards: dict[int, list[int]] = {}
        for model in wanted:
            shards.setdefault(model // population.shard_size, []).append(model)
        executor.run_all(jobs.make_shard, [(population, *of_shard) for of_shard in shards.items()], on_finished)


def missing_models(population: Population, models: int, notice: Callable[[str], None]) -> dict[int, list[int]]:
    """Which of the first `models` models are not stored, by shard; damaged shards are reported.

    Those whose weights should be stored and are not are missing as well.
    """
    missing = {}
    kept = filter(population.keeps, range(models))
    without_weights = {model for model in kept if not is_stored(population.weights_path(model), notice)}
    for shard in range(-(-models // population.shard_size)):
        arrays = _read_or_report(population.shard_path(shard), notice)
        stored = set() if arrays is None else set(arrays["models"].tolist()) - without_weights
        if absent := [model for model in population.models_of_shard(shard) if model < models and model not in stored]:
            missing[shard] = absent
    return missing


def load(population: Population, models: int) -> Outputs:
    """Outputs of the first `models` models, which have been made.

    Raises:
        DamagedFileError: a shard was damaged since it was made.
    """
    arrays = load_arrays(population, models)

    def by_split(what: str) -> Arrays:
        return {split: arrays[f"{what}_{split}"] for split in SPLITS if f"{what}_{split}" in arrays}

    outputs = Outputs.from_logits(by_split("logits"), by_split("labels"), by_split("ids"), by_split("accuracy"))
    return dataclasses.replace(outputs, age_error=by_split("age_error"), originals=originals_of(population, models))


def originals_of(population: Population, models: int) -> Groups | None:
    """The number of the original model that each of the first `models` models comes from, [models]; None if from none."""
    return None if population.original is None else np.array([population.original_of(model) for model in range(models)])


def load_arrays(population: Population, models: int) -> Arrays:
    """All that is stored of the first `models` models: `logits_`, `labels_`, `ids_` and `accuracy_` of each split.

    Raises:
        DamagedFileError: a shard was damaged since it was made.
    """
    shards = []
    for shard in range(-(-models // population.shard_size)):
        path = population.shard_path(shard)
        arrays = read_arrays(path)
        if arrays is None:
            raise DamagedFileError(path)
        shards.append(arrays)
    first = np.concatenate([arrays["models"] for arrays in shards]) < models
    return {
        name: values if describes_examples(name) else np.concatenate([arrays[name] for arrays in shards])[first]
        for name, values in shards[0].items()
    }


def is_stored(path: Path, notice: Callable[[str], None]) -> bool:
    """Whether a file is there; a damaged one is reported, and is not."""
    return _read_or_report(path, notice) is not None


def _read_or_report(path: Path, notice: Callable[[str], None]) -> Arrays | None:
    try:
        return read_arrays(path)
    except DamagedFileError:
        notice(f"{path} is damaged; its models are made again.")
        return None


@contextmanager
def prepared(population: Population, notice: Callable[[str], None]) -> Iterator[None]:
    """A population's folder, locked and described for people: the system releases the lock when its holder dies."""
    make_folder(population.folder)
    lock = FileLock(population.folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        notice(f"Another process is making {population.folder.name}; waiting for it.")
        lock.acquire()
    try:
        for leftover in population.folder.glob(".*.tmp"):  # of a process that was killed while it wrote
            leftover.unlink()
        write_json(population.folder / "population.json", population.identity())
        yield
    finally:
        lock.release()
