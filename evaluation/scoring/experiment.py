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
from evaluation.populations.population import Kind, Population
from evaluation.scoring import anamnesis
from evaluation.scoring.config import ScoringConfig
from evaluation.scoring.cost import Cost, measure_cost
from evaluation.scoring.plan import TRAINED, make_plan
from evaluation.scoring.reporter import Reporter
from evaluation.scoring.scorecard import AnamnesisIndex
from starting_kit.errors import RunError
from starting_kit.files import DamagedFileError
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
    """

    populations: dict[Kind, Population]
    models: dict[Kind, int]
    engine_reason: str
    cost: Cost
    device_name: str = "cpu"
    instruction_set: str | UnsetType = UNSET
    anamnesis: Measured[AnamnesisIndex] | None = None
    pictures: bytes | None = None

    def outputs(self) -> dict[Kind, Outputs]:
        """Outputs of the populations.

        Raises:
            RunError: a shard was damaged after it had been made.
        """
        try:
            return {kind: shards.load(population, self.models[kind]) for kind, population in self.populations.items()}
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
        with LocalProcesses(*of_workers) as unlearners:
            unlearners.start(1)  # beside the first trainer
            device_name = trainers.run(jobs.name_of_device, config.device)
            instruction_set = trainers.run(jobs.instruction_set)
            plan = make_plan(config, task, path, tuned, trainers, unlearners, reporter)
            populations = plan.populations if task.forgotten_class is None else anamnesis.keeping_weights(plan.populations)
            _make_originals(populations["original"], config.models, trainers, reporter, seconds)
            _make("unlearned", populations, plan.models, unlearners, reporter, seconds)
            cost = _measure_cost(populations, config.models, trainers, unlearners, reporter)
            pictures = _draw(populations["unlearned"], unlearners, reporter) if config.pictures else None
        for kind in TRAINED:
            _make(kind, populations, plan.models, trainers, reporter, seconds)
        index = _relearn(populations, config.models, trainers, reporter, seconds)
    return Experiment(populations, plan.models, plan.engine_reason, cost, device_name, instruction_set, index, pictures)


def _make(
    kind: Kind,
    populations: dict[Kind, Population],
    models: dict[Kind, int],
    executor: LocalProcesses,
    reporter: Reporter,
    seconds: dict[str, float],
) -> None:
    with timed(seconds, kind), reporter.stage(kind.replace("_", " "), models[kind]) as on_finished:
        shards.make(populations[kind], models[kind], executor, on_finished, reporter.notice)


def _make_originals(
    original: Population, unlearned: int, trainers: LocalProcesses, reporter: Reporter, seconds: dict[str, float]
) -> None:
    needed = original.originals_of(unlearned)
    if needed > 1:  # the first is there since the solution was tried on it
        with timed(seconds, "originals"), reporter.stage("to start from", needed) as on_finished:
            shards.make_originals(original, needed, trainers, on_finished, reporter.notice)


def _measure_cost(
    populations: dict[Kind, Population],
    models: int,
    trainers: LocalProcesses,
    unlearners: LocalProcesses,
    reporter: Reporter,
) -> Cost:
    with reporter.waiting("Timing the solution against retraining"):
        return measure_cost(populations["unlearned"], populations["retrained"], trainers, unlearners, models, reporter.notice)


def _draw(unlearned: Population, executor: LocalProcesses, reporter: Reporter) -> bytes:
    with reporter.waiting("Drawing pictures"):
        return executor.run(jobs.draw, unlearned)


def _relearn(
    populations: dict[Kind, Population],
    models: int,
    executor: LocalProcesses,
    reporter: Reporter,
    seconds: dict[str, float],
) -> Measured[AnamnesisIndex] | None:
    if populations["unlearned"].task.forgotten_class is None:
        return None
    with timed(seconds, "relearning"):
        return anamnesis.measure(populations, models, executor, reporter)


@contextmanager
def timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    """Note how long something takes."""
    start = time.monotonic()
    yield
    seconds[what] = time.monotonic() - start
