"""The experiment behind a score: populations are made, an unlearning is timed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import UNSET, UnsetType

from evaluation.metric.measured import Measured
from evaluation.metric.outputs import Outputs
from evaluation.populations import jobs, shards
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.made import FailedRun
from evaluation.populations.population import Kind, Population
from evaluation.populations.runs import Pools, start_of
from evaluation.scoring import anamnesis
from evaluation.scoring.config import ScoringConfig
from evaluation.scoring.cost import Cost, measure_cost
from evaluation.scoring.plan import TRAINED, Plan, make_plan
from evaluation.scoring.reporter import Reporter
from evaluation.scoring.runners import runners_of, sandbox_of
from evaluation.scoring.scorecard import AnamnesisIndex
from starting_kit.errors import RunError
from starting_kit.files import Arrays, DamagedFileError
from starting_kit.tasks.task import Task


@dataclass(frozen=True)
class Experiment:
    """Populations that have been made.

    Attributes:
        populations: by their kind.
        models: how many models each has, by its kind.
        engine_reason: why the solution ran in lockstep, or did not.
        cost: of an unlearning, as a share of a retraining.
        device_name: where the models were made, for people.
        instruction_set: which of the CPU's instructions the workers compute with.
        anamnesis: the Anamnesis Index; None where no class is to be forgotten.
        pictures: a PNG of what the solution makes up, if that was asked for.
        failed: runs of the solution that gave no model.
        sandbox: what confined its workers.
    """

    populations: dict[Kind, Population]
    models: dict[Kind, int]
    engine_reason: str
    cost: Cost
    device_name: str = "cpu"
    instruction_set: str | UnsetType = UNSET
    anamnesis: Measured[AnamnesisIndex] | None = None
    pictures: bytes | None = None
    failed: tuple[FailedRun, ...] = ()
    sandbox: str = "none"

    def failed_of(self, kind: Kind) -> list[int]:
        """Numbers of the models that a population has not."""
        return [run.model for run in self.failed] if kind == "unlearned" else []

    def arrays(self, kind: Kind) -> Arrays:
        """All that is stored of a population (see `shards.load_arrays`).

        Raises:
            DamagedFileError: a shard was damaged since it was made.
        """
        return shards.load_arrays(self.populations[kind], self.models[kind], self.failed_of(kind))

    def outputs(self) -> dict[Kind, Outputs]:
        """Outputs of the populations.

        Raises:
            RunError: a shard was damaged after it had been made.
        """
        try:
            return {
                kind: shards.load(population, self.models[kind], self.failed_of(kind))
                for kind, population in self.populations.items()
            }
        except DamagedFileError as error:
            raise RunError(f"{error} was damaged or removed; run the same command to make it again.") from error


def run(
    config: ScoringConfig,
    task: Task,
    path: Path,
    tuned: dict[str, Any] | None,
    reporter: Reporter,
    seconds: dict[str, float],
) -> Experiment:
    """Make the populations that are missing.

    Args:
        config: of the scoring.
        task: what the solution is scored on.
        path: of the solution.
        tuned: values of its hyper-parameters, or None for the published ones.
        reporter: is told what takes time.
        seconds: filled with the time of each stage.

    Raises:
        InputError: the solution cannot be loaded, or cannot run as it was asked to.
        RunError: the solution failed; what was finished is kept.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    # A process that has run a solution trains nothing: whatever a solution changes in its process ends with it.
    of_workers = config.cores, reporter.notice, partial(jobs.get_ready, task)
    with LocalProcesses(*of_workers) as trainers:
        with runners_of(path, task, config.cores, (config.runs, config.results, config.data), reporter.notice) as runners:
            runners.start(1)  # beside the first trainer
            machine = trainers.run(jobs.name_of_device, config.device), trainers.run(jobs.instruction_set)
            sandbox = sandbox_of(runners, config.runs, config.require_sandbox)
            plan = make_plan(config, task, path, tuned, Pools(trainers, runners), reporter)
            pools = Pools(trainers, runners, plan.time_limit)
            populations = plan.populations if task.forgotten_class is None else anamnesis.keeping_weights(plan.populations)
            failed, cost, pictures = _unlearn(populations, plan, config, pools, reporter, seconds)
            is_by_recipe = populations["retrained"].made_by is None
            index = None if is_by_recipe else _train_and_relearn(populations, plan, config, pools, reporter, seconds)
        if is_by_recipe:
            index = _train_and_relearn(populations, plan, config, pools, reporter, seconds)
    return Experiment(populations, plan.models, plan.engine_reason, cost, *machine, index, pictures, tuple(failed), sandbox)


def _unlearn(
    populations: dict[Kind, Population],
    plan: Plan,
    config: ScoringConfig,
    pools: Pools,
    reporter: Reporter,
    seconds: dict[str, float],
) -> tuple[list[FailedRun], Cost, bytes | None]:
    """What the solution is run for: failed runs, the cost, and pictures if they are wanted."""
    _make_originals(populations["original"], config.models, pools, reporter, seconds)
    failed = _make("unlearned", populations, plan.models, pools, reporter, seconds)
    cost = _measure_cost(populations, config.models, pools, reporter)
    return failed, cost, _draw(populations["unlearned"], pools, reporter) if config.pictures else None


def _train_and_relearn(
    populations: dict[Kind, Population],
    plan: Plan,
    config: ScoringConfig,
    pools: Pools,
    reporter: Reporter,
    seconds: dict[str, float],
) -> Measured[AnamnesisIndex] | None:
    for kind in TRAINED:
        _make(kind, populations, plan.models, pools, reporter, seconds)
    if populations["unlearned"].task.forgotten_class is None:
        return None
    with timed(seconds, "relearning"):
        return anamnesis.measure(populations, config.models, pools.that_make(populations["retrained"]), reporter)


def _make(
    kind: Kind,
    populations: dict[Kind, Population],
    models: dict[Kind, int],
    pools: Pools,
    reporter: Reporter,
    seconds: dict[str, float],
) -> list[FailedRun]:
    with timed(seconds, kind), reporter.stage(kind.replace("_", " "), models[kind]) as on_finished:
        return shards.make(populations[kind], models[kind], pools, on_finished, reporter.notice)


def _make_originals(original: Population, unlearned: int, pools: Pools, reporter: Reporter, seconds: dict[str, float]) -> None:
    needed = original.originals_of(unlearned)
    if needed > 1:  # the first is there since the solution was tried on it
        with timed(seconds, "originals"), reporter.stage("to start from", needed) as on_finished:
            shards.make_originals(original, needed, pools, on_finished, reporter.notice)


def _measure_cost(populations: dict[Kind, Population], models: int, pools: Pools, reporter: Reporter) -> Cost:
    with reporter.waiting("Timing the solution against retraining"):
        return measure_cost(populations["unlearned"], populations["retrained"], pools, models, reporter.notice)


def _draw(unlearned: Population, pools: Pools, reporter: Reporter) -> bytes:
    with reporter.waiting("Drawing pictures"):
        return pools.runners.run(jobs.draw, unlearned, start_of(unlearned, [0]), limit=pools.limit(1))


@contextmanager
def timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    """Note how long something takes."""
    start = time.monotonic()
    yield
    seconds[what] = time.monotonic() - start
