"""Make, resume and load populations: N models of one kind, of which the outputs are kept.

A population lives in `runs/<task>-v<version>/<kind>-<key>/`, where the key hashes everything that determines its numbers. Its
models are stored in shards, of as many models as are made at a time. Model i depends on its own seed and on nothing else, so
the same models come out whatever the number of workers, the order and the interruptions, and a larger population extends a
smaller one.

This module belongs to the scoring process; `evaluation.runs` is what the workers execute.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock, Timeout

from evaluation.executors import InWorker, LocalProcesses
from evaluation.outputs import Outputs
from evaluation.store import Arrays, DamagedFileError, identity_key, make_folder, read_arrays, write_json
from starting_kit.contract import Batches, Solution
from starting_kit.tasks import SPLITS, Engine, Task

Kind = Literal["original", "retrained", "second_retrained", "unlearned"]

STORE_FORMAT = 1  # part of every key: raised when the content of shards changes
MAKE_SHARD = InWorker("make_shard")
SHARD = 16  # models per shard, where they are made one at a time


@dataclass(frozen=True)
class Population:
    """N models of one kind; N is not part of it.

    Attributes:
        task: what the models are trained on.
        kind: original and retrained models are trained from scratch (on retain and forget, or retain only), unlearned models
            come from the original model 0.
        master_seed: all models' seeds derive from it.
        runs: the folder of all populations.
        engine: how the models are made; part of the identity, because rounding depends on it.
        solution, batches, original: for unlearned models, what ran, on which batches, and on whose models.
        originals: how many original models unlearning starts from, in turn; a population of original models keeps so many's
            weights.
        data_free: whether the solution gets loaders that hold no data.
    """

    task: Task
    kind: Kind
    master_seed: int
    runs: Path
    engine: Engine
    solution: Solution | None = None
    batches: Batches | None = None
    original: "Population | None" = None
    originals: int = 1
    data_free: bool = False

    def model_seed(self, model: int) -> int:
        """Seed of a model, in [0, 2**63)."""
        text = f"{self.task.name} v{self.task.version} {self.kind} {self.master_seed} {model}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1

    def identity(self) -> dict[str, Any]:
        """Everything that determines the models' outputs, ready for JSON."""
        identity: dict[str, Any] = {
            "kind": self.kind,
            "master_seed": self.master_seed,
            "task": self.task.identity(),
            "store_format": STORE_FORMAT,
            "torch": ".".join(version("torch").split(".")[:2]),
            "device": "cpu",
            "dtype": "float32",
            "engine": self.engine.kind,
            "chunk": self.engine.members,
        }
        if self.solution is None or self.original is None:
            return identity
        sources = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in self.solution.sources.items()}
        if self.originals > 1:
            identity["originals"] = self.originals
        if self.data_free:
            identity["data_free"] = True
        return {
            **identity,
            "original": self.original.key,
            "solution": self.solution.name,
            "sources": sources,
            "hyperparameters": self.solution.hyperparameters,
            "batches": self.batches,
        }

    @cached_property
    def key(self) -> str:
        """A hash of the identity."""
        return identity_key(self.identity())

    @property
    def folder(self) -> Path:
        """Where the shards lie."""
        return self.runs / f"{self.task.name}-v{self.task.version}" / f"{self.kind}-{self.key}"

    def weights_path(self, model: int) -> Path:
        """Weights of a model, kept for the first original models: what solutions start from."""
        return self.folder / f"weights-{model:05d}.npz"

    @property
    def shard_size(self) -> int:
        """Models per shard; one where each takes long, so that few models are enough for several workers."""
        if self.task.unlearned_at_once == 1 or (self.solution is not None and not self.solution.lockstep):
            return 1
        return SHARD if self.engine.kind == "single" else self.engine.members

    def shard_path(self, shard: int) -> Path:
        """Outputs of the models of a shard."""
        return self.folder / f"shard-{shard:05d}.npz"

    def models_of_shard(self, shard: int) -> range:
        """Numbers of the models of a shard."""
        return range(shard * self.shard_size, (shard + 1) * self.shard_size)


def read_intact(path: Path) -> Arrays | None:
    """The arrays of a file, or None where it is missing or damaged."""
    try:
        return read_arrays(path)
    except DamagedFileError:
        return None


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
    with _prepared(population, notice):
        missing = missing_models(population, models, notice)
        on_finished(models - sum(len(wanted) for wanted in missing.values()))
        jobs = [(population, shard, wanted) for shard, wanted in missing.items()]
        executor.run_all(MAKE_SHARD, jobs, on_finished)


def make_originals(
    population: Population,
    executor: LocalProcesses,
    on_finished: Callable[[int], None],
    notice: Callable[[str], None],
) -> None:
    """Make the original models that unlearning starts from, unless they are there already (errors as for `make`)."""
    first = 0 if population.task.original is None else 1  # that one comes with the data set
    with _prepared(population, notice):
        models = range(first, population.originals)
        wanted = [model for model in models if not _is_stored(population.weights_path(model), notice)]
        on_finished(population.originals - len(wanted))
        shards: dict[int, list[int]] = {}
        for model in wanted:
            shards.setdefault(model // population.shard_size, []).append(model)
        executor.run_all(MAKE_SHARD, [(population, shard, models) for shard, models in shards.items()], on_finished)


def missing_models(population: Population, models: int, notice: Callable[[str], None]) -> dict[int, list[int]]:
    """Which of the first `models` models are not stored, by shard; damaged shards are reported."""
    missing = {}
    for shard in range(-(-models // population.shard_size)):
        arrays = _read_or_report(population.shard_path(shard), notice)
        stored = set() if arrays is None else set(arrays["models"].tolist())
        if absent := [model for model in population.models_of_shard(shard) if model < models and model not in stored]:
            missing[shard] = absent
    return missing


def load(population: Population, models: int) -> Outputs:
    """Outputs of the first `models` models, which have been made (errors as for `load_arrays`)."""
    arrays = load_arrays(population, models)

    def by_split(what: str) -> Arrays:
        return {split: arrays[f"{what}_{split}"] for split in SPLITS if f"{what}_{split}" in arrays}

    outputs = Outputs.from_logits(by_split("logits"), by_split("labels"), by_split("ids"), by_split("accuracy"))
    return dataclasses.replace(outputs, age_error=by_split("age_error"))


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


def describes_examples(name: str) -> bool:
    """Whether an array of a shard is about the examples, and so the same for all models."""
    return name.startswith(("ids_", "labels_"))


def _is_stored(path: Path, notice: Callable[[str], None]) -> bool:
    return _read_or_report(path, notice) is not None


def _read_or_report(path: Path, notice: Callable[[str], None]) -> Arrays | None:
    try:
        return read_arrays(path)
    except DamagedFileError:
        notice(f"{path} is damaged; its models are made again.")
        return None


@contextmanager
def _prepared(population: Population, notice: Callable[[str], None]) -> Iterator[None]:
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
