"""Make, resume and load the shards of a population."""

import dataclasses
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from evaluation.metric.designs import Groups
from evaluation.metric.outputs import Outputs
from evaluation.populations import jobs, runs
from evaluation.populations.made import FailedRun
from evaluation.populations.population import Population, describes_examples
from evaluation.populations.runs import Pools
from starting_kit.files import Arrays, DamagedFileError, make_folder, read_arrays, write_json
from starting_kit.tasks.data import SPLITS


def make(
    population: Population,
    models: int,
    pools: Pools,
    on_finished: Callable[[int], None],
    notice: Callable[[str], None],
) -> list[FailedRun]:
    """Make those of the first `models` models that are not stored yet.

    Two processes that want the same population take turns, so the second finds what the first has made.

    Args:
        population: what to make.
        models: how many.
        pools: where.
        on_finished: called with the number of models newly finished, or found.
        notice: called with a sentence for the user.

    Returns:
        The runs that failed, if those are few and the models unlearned ones.

    Raises:
        RunError: other runs failed; what was finished is kept.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    with prepared(population, notice):
        missing = missing_models(population, models, notice)
        on_finished(models - sum(len(wanted) for wanted in missing.values()))
        return _make(population, models, missing, pools, on_finished, notice)


def make_originals(
    population: Population,
    models: int,
    pools: Pools,
    on_finished: Callable[[int], None],
    notice: Callable[[str], None],
) -> None:
    """Make the first of the original models that unlearning starts from, unless they are there already.

    Args:
        population: of the original models.
        models: how many are needed.
        pools: where they are trained.
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
        missing: dict[int, list[int]] = {}
        for model in wanted:
            missing.setdefault(model // population.shard_size, []).append(model)
        _make(population, models, missing, pools, on_finished, notice)


def _make(
    population: Population,
    models: int,
    missing: dict[int, list[int]],
    pools: Pools,
    on_finished: Callable[[int], None],
    notice: Callable[[str], None],
) -> list[FailedRun]:
    if population.made_by is not None:
        return runs.make(population, models, missing, pools, on_finished, notice)
    pools.trainers.run_all(jobs.make_shard, [(population, *of_shard) for of_shard in missing.items()], on_finished)
    return []


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


def load(population: Population, models: int, failed: Collection[int] = ()) -> Outputs:
    """Outputs of the first `models` models, which have been made.

    Args:
        population: of the models.
        models: how many.
        failed: numbers of those of them that there are not, because their runs failed.

    Raises:
        DamagedFileError: a shard was damaged since it was made.
    """
    arrays = load_arrays(population, models, failed)

    def by_split(what: str) -> Arrays:
        return {split: arrays[f"{what}_{split}"] for split in SPLITS if f"{what}_{split}" in arrays}

    outputs = Outputs.from_logits(by_split("logits"), by_split("labels"), by_split("ids"), by_split("accuracy"))
    return dataclasses.replace(
        outputs, age_error=by_split("age_error"), originals=origins(population, models, failed), failed=len(failed)
    )


def origins(population: Population, models: int, failed: Collection[int] = ()) -> Groups | None:
    """Which of the first `models` models come from the same original model: its number, [models]; None if from none.

    Of original models from which all runs `failed`, the others take the numbers.
    """
    if population.original is None:
        return None
    numbers = [population.original_of(model) for model in range(models) if model not in failed]
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


def load_arrays(population: Population, models: int, failed: Collection[int] = ()) -> Arrays:
    """All that is stored of the first `models` models: `logits_`, `labels_`, `ids_` and `accuracy_` of each split.

    Arguments are those of `load`.

    Raises:
        DamagedFileError: a shard was damaged since it was made.
    """
    shards = []
    for shard in range(-(-models // population.shard_size)):
        path = population.shard_path(shard)
        wanted = [model for model in population.models_of_shard(shard) if model < models and model not in failed]
        if not wanted:
            continue
        arrays = read_arrays(path)
        if arrays is None or not set(wanted) <= set(arrays["models"].tolist()):
            raise DamagedFileError(path)
        rows = np.isin(arrays["models"], wanted)
        shards.append({name: values if describes_examples(name) else values[rows] for name, values in arrays.items()})
    return {
        name: values if describes_examples(name) else np.concatenate([arrays[name] for arrays in shards])
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
