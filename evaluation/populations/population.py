"""A population: N models of one kind, of which the outputs are kept.

A population lives in `runs/<task>-v<version>/<kind>-<key>/`, where the key hashes everything that determines its numbers. Its
models are stored in shards, of as many models as are made at a time. Model i depends on its own seed and on nothing else, so
the same models come out whatever the number of workers, the order and the interruptions, and a larger population extends a
smaller one.

Populations are made in `shards`, by the scoring process; `worker` is what the workers execute.
"""

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

from evaluation.metric.designs import FEWEST_RUNS
from starting_kit.contract import BatchFormat, Solution
from starting_kit.engine_version import ENGINE_VERSION
from starting_kit.files import identity_key
from starting_kit.tasks.task import Engine, Task

Kind = Literal["original", "retrained", "second_retrained", "unlearned"]

STORE_FORMAT = 1  # part of every key: raised when the content of shards changes
SHARD = 16  # models per shard, where they are made one at a time
IN_A_ROW = FEWEST_RUNS  # from one original model, then from the next


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
        originals: how many original models unlearning starts from by turns, if there are so many models; a population of
            original models keeps so many's weights.
        in_a_row: how many models in a row start from the same original one, before the next has its turn.
        device: where the models are made, "cpu" or "cuda". Networks are trained in bfloat16 on a GPU.
        kept: of how many models the weights are kept as well (`keeps`), for what needs more than outputs; like N no part of
            the identity.
        trainer: for trained models, the solution that brings the trainer they are made by; None for the task's recipe.
        data_free: whether the solution gets loaders that hold no data.
    """

    task: Task
    kind: Kind
    master_seed: int
    runs: Path
    engine: Engine
    solution: Solution | None = None
    batches: BatchFormat | None = None
    original: "Population | None" = None
    originals: int = 1
    in_a_row: int = IN_A_ROW
    device: str = "cpu"
    kept: int = 0
    trainer: Solution | None = None
    data_free: bool = False

    def model_seed(self, model: int) -> int:
        """Seed of a model, in [0, 2**63)."""
        text = f"{self.task.name} v{self.task.version} {self.kind} {self.master_seed} {model}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1

    def original_of(self, model: int) -> int:
        """The number of the original model that an unlearned model comes from."""
        return model // self.in_a_row % self.originals

    def keeps(self, model: int) -> bool:
        """Whether the weights of a model are kept: of the first models, of runs each from another original model."""
        apart = 1 if self.original is None else self.in_a_row
        return model % apart == 0 and model // apart < self.kept

    def keeps_whole(self, model: int) -> bool:
        """Whether the network itself is kept, where a solution's own trainer made it: to unlearn from, or as `keeps` says."""
        is_start = self.kind == "original" and model < self.originals
        return self.trainer is not None and (is_start or self.keeps(model))

    @property
    def made_by(self) -> Solution | None:
        """The solution whose code makes the models; None where only the task's recipe does."""
        return self.solution or self.trainer

    def originals_of(self, models: int) -> int:
        """How many original models the first so many unlearned models come from."""
        return originals_of(models, self.originals, self.in_a_row)

    def identity(self) -> dict[str, Any]:
        """Everything that determines the models' outputs, ready for JSON."""
        identity: dict[str, Any] = {
            "kind": self.kind,
            "master_seed": self.master_seed,
            "task": self.task.identity(),
            "store_format": STORE_FORMAT,
            "torch": ".".join(version("torch").split(".")[:2]),
            "device": self.device,
            "dtype": "bfloat16" if self.device == "cuda" and self.solution is None else "float32",
            "engine": self.engine.kind,
            "chunk": self.engine.members,
        }
        if ENGINE_VERSION > 1:  # keys were without it in the first version, and scorecards name populations by them
            identity["engine_version"] = ENGINE_VERSION
        if self.trainer is not None:
            identity["trainer"] = _identity_of(self.trainer)
        if self.solution is None or self.original is None:
            return identity
        if self.originals > 1:
            identity["originals"] = {"models": self.originals, "in_a_row": self.in_a_row}
        if self.data_free:
            identity["data_free"] = True
        if self.solution.loader_batch_size is not None:
            identity["loader_batch_size"] = self.solution.loader_batch_size
        return {**identity, "original": self.original.key, **_identity_of(self.solution), "batches": self.batches}

    @cached_property
    def key(self) -> str:
        """A hash of the identity."""
        return identity_key(self.identity())

    @property
    def folder(self) -> Path:
        """Where the shards lie."""
        return self.runs / f"{self.task.name}-v{self.task.version}" / f"{self.kind}-{self.key}"

    def weights_path(self, model: int) -> Path:
        """Weights of a model, kept for the first original models, from which solutions start, and where it `keeps` them."""
        return self.folder / f"weights-{model:05d}.npz"

    @property
    def shard_size(self) -> int:
        """Models per shard; one where each takes long, so that few models are enough for several workers."""
        if self.task.unlearned_at_once == 1 or (self.solution is not None and not self.solution.lockstep):
            return 1
        return SHARD if self.engine.kind == "single" else self.engine.members

    def unlearned_by(self, solution: Solution, batches: BatchFormat, engine: Engine, data_free: bool = False) -> "Population":
        """What a solution makes of these original models.

        Args:
            solution: with its hyper-parameters.
            batches: that it reads.
            engine: how it runs.
            data_free: whether it gets loaders that hold no data.
        """
        return dataclasses.replace(
            self,
            kind="unlearned",
            engine=engine,
            solution=solution,
            batches=batches,
            original=self,
            trainer=None,
            data_free=data_free,
        )

    def unlearning(self) -> "Unlearning":
        """What makes unlearned models."""
        assert self.solution and self.batches and self.original, self.kind
        return Unlearning(self.solution, self.batches, self.original)

    def shard_path(self, shard: int) -> Path:
        """Outputs of the models of a shard."""
        return self.folder / f"shard-{shard:05d}.npz"

    def models_of_shard(self, shard: int) -> range:
        """Numbers of the models of a shard."""
        return range(shard * self.shard_size, (shard + 1) * self.shard_size)


class Unlearning(NamedTuple):
    """What makes the models of an unlearned population: a solution, the batches it reads, and whose models it starts from."""

    solution: Solution
    batches: BatchFormat
    original: Population


def originals_of(models: int, originals: int, in_a_row: int) -> int:
    """How many original models so many runs come from, if the runs from each stand in a row and so many have their turn."""
    return min(originals, -(-models // in_a_row))


def describes_examples(name: str) -> bool:
    """Whether an array of a shard is about the examples, and so the same for all models."""
    return name.startswith(("ids_", "labels_"))


def _identity_of(solution: Solution) -> dict[str, Any]:
    sources = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in solution.sources.items()}
    identity: dict[str, Any] = {"solution": solution.name, "sources": sources, "hyperparameters": solution.hyperparameters}
    # Only where there are any, so that the keys of all others are what they were.
    if solution.files:
        identity["files"] = solution.files
    if solution.draws:  # what is drawn when the file is loaded changes nothing any more of what is drawn in the call
        identity["draws_when_loaded"] = "apart"
    return identity
