"""The experiment behind a score: which populations are made, in which engine, and what an unlearning costs."""

import argparse
import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from evaluation import populations, terminal
from evaluation.executors import InWorker, LocalProcesses
from evaluation.outputs import Outputs
from evaluation.populations import Kind, Population
from evaluation.store import DamagedFileError
from starting_kit.contract import Batches, Solution
from starting_kit.errors import InputError, RunError
from starting_kit.tasks import ONE_AT_A_TIME, Engine, Task

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
        pictures: a PNG of what the solution makes up, if that was asked for.
    """

    kinds: dict[Kind, Population]
    models: int
    engine_reason: str
    cost: float
    pictures: bytes | None = None

    def outputs(self) -> dict[Kind, Outputs]:
        """Outputs of the populations.

        Raises:
            RunError: a shard was damaged after it had been made.
        """
        try:
            return {kind: populations.load(population, self.models) for kind, population in self.kinds.items()}
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
        with timed(seconds, kind), terminal.stage(kind.replace("_", " "), options.models) as on_finished:
            populations.make(kinds[kind], options.models, executor, on_finished, terminal.notice)

    # A process that has run a solution trains nothing: whatever a solution changes in its process ends with it.
    with LocalProcesses(workers, terminal.notice) as trainers:
        with LocalProcesses(workers, terminal.notice) as unlearners:
            kinds, why = define_populations(options, task, path, tuned, trainers, unlearners)
            make("unlearned", unlearners)
            with terminal.messages.status("Timing the solution against retraining"):
                cost = measure_cost(kinds["unlearned"], kinds["retrained"], trainers, unlearners)
            with terminal.messages.status("Drawing pictures"):
                pictures = unlearners.run(InWorker("draw"), kinds["unlearned"]) if options.pictures else None
        for kind in TRAINED:
            make(kind, trainers)
    return Experiment(kinds, options.models, why, cost, pictures)


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
    with terminal.messages.status(f"Reading {task.name}"):
        digest, remarks = trainers.run(InWorker("look_at_data"), task)
    task = dataclasses.replace(task, digest=digest)
    terminal.notices(remarks, options.runs / f"{task.name}-v{task.version}" / "data.log")
    engine, notice = trainers.run(InWorker("usable_engine"), task)
    if notice:
        terminal.notice(notice)
    if engine == ONE_AT_A_TIME:
        task = dataclasses.replace(task, unlearned_at_once=1)
    trained = {
        kind: Population(task, kind, options.seed, options.runs, engine, originals=options.originals) for kind in TRAINED
    }
    original = trained["original"]
    several = options.originals > 1
    progress = (
        terminal.stage("to start from", options.originals) if several else terminal.waiting("Preparing the original model")
    )
    with progress as on_finished:
        populations.make_originals(original, trainers, on_finished, terminal.notice)
    with terminal.messages.status("Trying the solution"):
        batches = unlearners.run(InWorker("find_batches"), original, solution, options.data_free)
        engine, why = choose_engine(options.engine, original, solution, batches, unlearners, options.data_free)
    unlearned = Population(
        *(task, "unlearned", options.seed, options.runs, engine, solution, batches, original, options.originals),
        data_free=options.data_free,
    )
    return {"unlearned": unlearned, **trained}, why


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
    if task.unlearned_at_once == 1 or not solution.lockstep:
        who = f"{task.network} on {task.name}" if solution.lockstep else solution.name
        if wanted == "lockstep":
            raise InputError(f"--engine lockstep: {who} takes one model at a time.")
        return ONE_AT_A_TIME, f"{who} takes one model at a time"
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
