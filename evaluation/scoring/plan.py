"""Which populations an experiment needs, in which engine: found out by looking at the data and trying the solution."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.populations import jobs, shards
from evaluation.populations.describing import described
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Kind, Population
from evaluation.populations.runs import Pools, start_from
from evaluation.scoring.config import ScoringConfig
from evaluation.scoring.reporter import Reporter, tell_all
from starting_kit.contract import BatchFormat, Solution
from starting_kit.errors import InputError, WorkerDiedError
from starting_kit.tasks.task import ONE_AT_A_TIME, Engine, Task

LEAST_TIME = 10.0  # seconds for a model, whatever a retraining takes
DRY_CALLS = 2  # times that time, for what finds out which batches a solution reads
TRIAL_CALLS = 20  # times that time, for the proof of lockstep

TRAINED: tuple[Kind, ...] = ("retrained", "second_retrained", "original")


@dataclass(frozen=True)
class Plan:
    """What is to be made.

    Attributes:
        populations: the unlearned one, and the three that are trained.
        models: how many of each.
        engine_reason: why the solution runs in lockstep, or does not.
        time_limit: seconds that it has for each model.
    """

    populations: dict[Kind, Population]
    models: dict[Kind, int]
    engine_reason: str
    time_limit: float


def make_plan(
    config: ScoringConfig,
    task: Task,
    path: Path,
    tuned: dict[str, Any] | None,
    pools: Pools,
    reporter: Reporter,
) -> Plan:
    """Plan the populations, after trying the solution on the first original model, which is made if it is missing.

    Args:
        config: of the scoring.
        task: what the solution is scored on.
        path: of the solution.
        tuned: values of its hyper-parameters, or None for the published ones.
        pools: train networks, and run the solution.
        reporter: is told what takes time, and what is odd in the data.

    Raises:
        InputError: the solution cannot be loaded, or cannot run as it was asked to.
        RunError: it failed in the trial, or took too long.
    """
    trainers = pools.trainers
    retain = trainers.run(jobs.retain_examples, task) if config.hyperparameters == "transferred" else None
    solution = described(pools.runners, path, config.set, tuned, retain)
    if retain:
        reporter.say(solution.published.said(retain))
    tell_all(reporter, solution.remarks, config.runs / "remarks.log")
    if config.pictures and not solution.pictures:
        raise InputError(f"--pictures: {path} makes no images up (it defines no function `pictures`); leave the option out.")
    task, engine = _engine_of_training(config, _with_digest(config, task, trainers, reporter), solution, trainers, reporter)
    trained = _trained(config, task, solution, engine)
    with reporter.waiting("Preparing the original model"):
        shards.make_originals(trained["original"], 1, pools, lambda newly: None, reporter.notice)
    with reporter.waiting("Trying the solution"):
        pools.runners.start(config.cores)  # the others, beside the one that tries
        limit = config.time_limit or usual_time_limit(trained["retrained"], pools)
        unlearned, why = _unlearned(config, trained["original"], solution, pools._replace(time_limit=limit), reporter)
    models = dict.fromkeys(("unlearned", *TRAINED), config.models) | {"original": config.design(task).trained}
    return Plan({"unlearned": unlearned, **trained}, models, why, limit)


def usual_time_limit(retrained: Population, pools: Pools) -> float:
    """Seconds that a solution has for a model: those of a retraining, five times what the competition allowed."""
    return max(LEAST_TIME, pools.that_make(retrained).run(jobs.time_retraining, retrained, 0))


def _unlearned(
    config: ScoringConfig, original: Population, solution: Solution, pools: Pools, reporter: Reporter
) -> tuple[Population, str]:
    """What the solution makes of the original models, after a trial; and why it runs in lockstep, or does not."""
    limit = pools.limit(DRY_CALLS)
    batches, made_up = pools.runners.run(
        jobs.find_batches, original, solution, config.data_free, start_from(original, [0]), limit=limit
    )
    solution = _with_remarks(solution, made_up, config, reporter)
    engine, why, forced = choose_engine(config.engine, original, solution, batches, pools, config.data_free)
    solution = _with_remarks(solution, forced, config, reporter)
    return original.unlearned_by(solution, batches, engine, config.data_free), why


def _with_remarks(solution: Solution, remarks: Sequence[str], config: ScoringConfig, reporter: Reporter) -> Solution:
    tell_all(reporter, remarks, config.runs / "remarks.log")
    return dataclasses.replace(solution, remarks=(*solution.remarks, *remarks))


def _trained(config: ScoringConfig, task: Task, solution: Solution, engine: Engine) -> dict[Kind, Population]:
    trainer, design = solution if solution.trains else None, config.design(task)
    of_kind = partial(
        Population,
        task,
        master_seed=config.seed,
        runs=config.runs,
        engine=engine,
        originals=design.originals,
        in_a_row=design.in_a_row,
        device=config.device,
        trainer=trainer,
    )
    return {kind: of_kind(kind=kind) for kind in TRAINED}


def _with_digest(config: ScoringConfig, task: Task, trainers: LocalProcesses, reporter: Reporter) -> Task:
    with reporter.waiting(f"Reading {task.name}"):
        digest, remarks = trainers.run(jobs.look_at_data, task)
    task = dataclasses.replace(task, digest=digest)
    tell_all(reporter, remarks, config.runs / f"{task.name}-v{task.version}" / "data.log")
    return task


def _engine_of_training(
    config: ScoringConfig, task: Task, solution: Solution, trainers: LocalProcesses, reporter: Reporter
) -> tuple[Task, Engine]:
    """The engine that trains the task's networks; and the task, for one model at a time where they are trained so.

    A solution's own trainer trains one at a time; no original model that comes with the data set is of its kind.
    """
    if solution.trains:
        if config.device != "cpu":
            raise InputError(f"--device {config.device}: {solution.name} brings its own trainer, which works on the CPU.")
        return dataclasses.replace(task, original=None, unlearned_at_once=1), ONE_AT_A_TIME
    engine, notice = trainers.run(jobs.usable_engine, task)
    if notice:
        reporter.notice(notice)
    return dataclasses.replace(task, unlearned_at_once=1) if engine == ONE_AT_A_TIME else task, engine


def choose_engine(
    wanted: str | None,
    original: Population,
    solution: Solution,
    batches: BatchFormat,
    pools: Pools,
    data_free: bool = False,
) -> tuple[Engine, str, list[str]]:
    """For how many models at once a solution runs, why, and what is to be said of it: that a wish goes against the trial.

    Args:
        wanted: "lockstep" or "single" where the user asks for it; lockstep is tried all the same.
        original: the models it starts from.
        solution: with its hyper-parameters.
        batches: that it reads.
        pools: run the trial.
        data_free: whether its loaders hold no data.

    Raises:
        InputError: lockstep is asked for where it cannot be.
    """
    if reason := must_be_alone(original, solution):
        if wanted == "lockstep":
            raise InputError(f"--engine lockstep: {reason}.")
        return ONE_AT_A_TIME, reason, []
    if wanted == "single":
        return ONE_AT_A_TIME, "--engine single", []
    objection = _objection(original, solution, batches, pools, data_free)
    if objection and not wanted:
        return ONE_AT_A_TIME, objection, []
    why, warnings = "three models at once get the weights that each gets alone", list[str]()
    if objection:
        why = f"--engine lockstep, against the trial: {objection}"
        warnings = [f"WARNING: --engine lockstep is forced: {objection}. What is scored may not be what each model gets alone."]
    return Engine("grouped", original.task.unlearned_at_once), why, warnings


def _objection(original: Population, solution: Solution, batches: BatchFormat, pools: Pools, data_free: bool) -> str | None:
    limit = pools.limit(TRIAL_CALLS)
    try:
        start = start_from(original, [0])
        return pools.runners.run(jobs.objection_to_lockstep, original, solution, batches, data_free, start, limit=limit)
    except WorkerDiedError as error:
        return f"the trial did not end well: {error.__cause__}"


def must_be_alone(original: Population, solution: Solution) -> str | None:
    """Why a solution is called for one model at a time, whatever it does; None if it need not be."""
    if solution.trains or not solution.lockstep:
        return f"{solution.name} takes one model at a time"
    if original.task.unlearned_at_once == 1:
        return f"{original.task.network} on {original.task.name} takes one model at a time"
    return None if original.device == "cpu" else "on a GPU solutions take one model at a time"
