"""The experiment behind a score: which populations are made, in which engine, and what an unlearning costs."""

import argparse
import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from evaluation.metric.outputs import Outputs
from evaluation.populations import shards
from evaluation.populations.executors import InWorker, LocalProcesses
from evaluation.populations.population import Kind, Population
from evaluation.reports import console
from evaluation.scoring import anamnesis
from starting_kit.contract import Batches, Solution
from starting_kit.errors import InputError, RunError
from starting_kit.files import DamagedFileError
from starting_kit.tasks.task import ONE_AT_A_TIME, Engine, Task

TIMED_RUNS = 3
LONG_TIMING = 30.0  # seconds
TRAINED: tuple[Kind, ...] = ("retrained", "second_retrained", "original")


@dataclass(frozen=True)
class Experiment:
    """Populations that have been made.

    Attributes:
        kinds: the populations.
        models: how many models each has.
        engine_reason: why the solution ran in lockstep, or did not.
        cost: time of an unlearning over time of a retraining.
        device_name: where the models were made, for people.
        anamnesis: the Anamnesis Index, as a field of the scorecard; empty where the forget request is no class.
        pictures: a PNG of what the solution makes up, if that was asked for.
    """

    kinds: dict[Kind, Population]
    models: int
    engine_reason: str
    cost: float
    device_name: str = "cpu"
    anamnesis: dict[str, Any] = field(default_factory=dict)
    pictures: bytes | None = None

    def outputs(self) -> dict[Kind, Outputs]:
        """Outputs of the populations.

        Raises:
            RunError: a shard was damaged after it had been made.
        """
        try:
            return {kind: shards.load(population, self.models) for kind, population in self.kinds.items()}
        except DamagedFileError as error:
            raise RunError(f"{error} was damaged or removed; run the same command to make it again.") from error


def run(
    options: argparse.Namespace, task: Task, path: Path, tuned: dict[str, Any] | None, workers: int, seconds: dict[str, float]
) -> Experiment:
    """Make the populations that are missing.

    Args:
        options: of the command line.
        task: what the solution is scored on.
        path: of the solution.
        tuned: values of its hyper-parameters, or None for the published ones.
        workers: processes.
        seconds: filled with the time of each stage.

    Raises:
        InputError: the solution is none, or cannot run as it was asked to.
        RunError: the solution failed; what was finished is kept.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """

    def make(kind: Kind, executor: LocalProcesses) -> None:
        with timed(seconds, kind), console.stage(kind.replace("_", " "), options.models) as on_finished:
            shards.make(kinds[kind], options.models, executor, on_finished, console.notice)

    # A process that has run a solution trains nothing: whatever a solution changes in its process ends with it.
    with LocalProcesses(workers, console.notice) as trainers:
        device_name = trainers.run(InWorker("name_of_device"), options.device)
        with LocalProcesses(workers, console.notice) as unlearners:
            kinds, why = define_populations(options, task, path, tuned, trainers, unlearners)
            if task.forgotten_class is not None:
                kinds = anamnesis.keeping_weights(kinds)
            make("unlearned", unlearners)
            with console.messages.status("Timing the solution against retraining"):
                cost = measure_cost(kinds["unlearned"], kinds["retrained"], trainers, unlearners)
            with console.messages.status("Drawing pictures"):
                pictures = unlearners.run(InWorker("draw"), kinds["unlearned"]) if options.pictures else None
        for kind in TRAINED:
            make(kind, trainers)
        index = {}
        if task.forgotten_class is not None:
            with timed(seconds, "relearning"):
                index = anamnesis.measure(kinds, options.models, trainers)
    return Experiment(kinds, options.models, why, cost, device_name, index, pictures)


@contextmanager
def timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    """Note how long something takes."""
    start = time.monotonic()
    yield
    seconds[what] = time.monotonic() - start


def define_populations(
    options: argparse.Namespace,
    task: Task,
    path: Path,
    tuned: dict[str, Any] | None,
    trainers: LocalProcesses,
    unlearners: LocalProcesses,
) -> tuple[dict[Kind, Population], str]:
    """The four populations, and why the solution runs in lockstep or does not.

    The original models to start from are made, and the solution tried on the first: what does it read, may it run in lockstep?
    """
    solution = unlearners.run(InWorker("describe_solution"), path, options.set, tuned)
    if options.pictures and not solution.pictures:
        raise InputError(f"--pictures: {path} makes no images up (it defines no function `pictures`); leave the option out.")
    with console.messages.status(f"Reading {task.name}"):
        digest, remarks = trainers.run(InWorker("look_at_data"), task)
    task = dataclasses.replace(task, digest=digest)
    console.notices(remarks, options.runs / f"{task.name}-v{task.version}" / "data.log")
    if solution.trains and options.device != "cpu":
        raise InputError(f"--device {options.device}: {solution.name} brings its own trainer, which works on the CPU.")
    if solution.trains:  # no original model that comes with the data set is of its kind
        engine, task = ONE_AT_A_TIME, dataclasses.replace(task, original=None, unlearned_at_once=1)
    else:
        engine, task = _usable_engine(task, trainers)
    trainer = solution if solution.trains else None
    trained = {
        kind: Population(
            task,
            kind,
            options.seed,
            options.runs,
            engine,
            originals=options.originals,
            device=options.device,
            trainer=trainer,
        )
        for kind in TRAINED
    }
    original = trained["original"]
    several = options.originals > 1
    progress = console.stage("to start from", options.originals) if several else console.waiting("Preparing the original model")
    with progress as on_finished:
        shards.make_originals(original, trainers, on_finished, console.notice)
    with console.messages.status("Trying the solution"):
        batches = unlearners.run(InWorker("find_batches"), original, solution, options.data_free)
        engine, why = choose_engine(options.engine, original, solution, batches, unlearners, options.data_free)
    unlearned = dataclasses.replace(
        original,
        kind="unlearned",
        engine=engine,
        solution=solution,
        batches=batches,
        original=original,
        trainer=None,
        data_free=options.data_free,
    )
    return {"unlearned": unlearned, **trained}, why


def _usable_engine(task: Task, trainers: LocalProcesses) -> tuple[Engine, Task]:
    """The engine that trains the task's networks, and the task, for one model at a time where they are trained so."""
    engine, notice = trainers.run(InWorker("usable_engine"), task)
    if notice:
        console.notice(notice)
    return engine, dataclasses.replace(task, unlearned_at_once=1) if engine == ONE_AT_A_TIME else task


def choose_engine(
    wanted: str | None,
    original: Population,
    solution: Solution,
    batches: Batches,
    unlearners: LocalProcesses,
    data_free: bool = False,
) -> tuple[Engine, str]:
    """For how many models at once a solution runs, and why."""
    task = original.task
    if solution.trains or not solution.lockstep or task.unlearned_at_once == 1:
        who = f"{task.network} on {task.name}" if solution.lockstep and not solution.trains else solution.name
        if wanted == "lockstep":
            raise InputError(f"--engine lockstep: {who} takes one model at a time.")
        return ONE_AT_A_TIME, f"{who} takes one model at a time"
    if original.device != "cpu":
        if wanted == "lockstep":
            raise InputError("--engine lockstep: on a GPU solutions take one model at a time.")
        return ONE_AT_A_TIME, "on a GPU solutions take one model at a time"
    lockstep = Engine("grouped", task.unlearned_at_once)
    if wanted:
        return lockstep if wanted == "lockstep" else ONE_AT_A_TIME, f"--engine {wanted}"
    objection = unlearners.run(InWorker("objection_to_lockstep"), original, solution, batches, data_free)
    if objection:
        return ONE_AT_A_TIME, objection
    return lockstep, "three models at once get the weights that each gets alone"


def measure_cost(
    unlearned: Population, retrained: Population, trainers: LocalProcesses, unlearners: LocalProcesses, runs: int = TIMED_RUNS
) -> float:
    """Median time of an unlearning over median time of a retraining, by turns, while nothing else runs.

    So many runs of each, or fewer if they take longer than `LONG_TIMING`: what takes long is less noisy.
    """
    start = time.monotonic()
    unlearning, retraining = [], []
    for model in range(runs):
        unlearning.append(unlearners.run(InWorker("time_unlearning"), unlearned, model))
        retraining.append(trainers.run(InWorker("time_retraining"), retrained, model))
        if time.monotonic() - start > LONG_TIMING:
            break
    return median(unlearning) / median(retraining)
