"""A scorecard put together from what was made and measured, and the name of its file."""

import hashlib
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import msgspec

from evaluation.metric.measured import Controls, Intervals, Measured, Scores
from evaluation.scoring import codec
from evaluation.scoring.config import ScoringConfig
from evaluation.scoring.experiment import Experiment
from evaluation.scoring.external import Pair
from evaluation.scoring.scorecard import (
    DEFAULT_MODELS,
    ClassForgetting,
    EngineUsed,
    Environment,
    FailedRuns,
    Hyperparameters,
    Opinion,
    Scorecard,
)
from starting_kit.contract import PROJECT, Solution
from starting_kit.errors import InputError

REASONS = 3  # of failed runs, the first that differ
LONGEST_NAME = 200  # bytes; file systems take 255, endings and what a temporary name adds included


def of_experiment(
    made: Experiment,
    scores: Scores,
    intervals: Intervals,
    controls: Controls,
    attacks: dict[str, Opinion],
    class_forgetting: Measured[ClassForgetting],
    seconds: dict[str, float],
    workers: int,
    notes: Sequence[str] = (),
) -> Scorecard:
    """The scorecard of a solution.

    Args:
        made: the populations.
        scores: measured on them.
        intervals: of the scores.
        controls: measured on them.
        attacks: second opinions.
        class_forgetting: what else is measured where a class is to be forgotten.
        seconds: spent on each stage.
        workers: how many processes.
        notes: on what was run otherwise than it is written.
    """
    return Scorecard(
        **_origin(made),
        models=made.models["unlearned"],
        notes=list(notes) or msgspec.UNSET,
        attacks=attacks,
        class_forgetting=class_forgetting,
        cost=made.cost.share,
        cost_interval=made.cost.interval,
        cost_turns=made.cost.turns,
        within_limit=made.cost.within_limit,
        operations=made.cost.operations,
        seconds=seconds,
        environment=environment(workers, made.device_name, made.instruction_set, made.sandbox),
        **_fields(scores, intervals, controls),
    )


def _origin(made: Experiment) -> dict[str, Any]:
    """The fields that say what was scored, on what, and how."""
    unlearned = made.populations["unlearned"]
    solution, task = unlearned.unlearning().solution, unlearned.task
    way: Literal["single", "lockstep"] = "single" if unlearned.engine.kind == "single" else "lockstep"
    return {
        "solution": solution.name,
        "task": task.name,
        "task_version": task.version,
        "seed": unlearned.master_seed,
        "failed_runs": _failed_runs(made),
        "originals": unlearned.originals_of(made.models["unlearned"]),
        "forget": task.identity()["forget"],
        "network": task.network,
        "epochs": task.recipe.epochs,
        "trainer": solution.name if solution.trains else msgspec.UNSET,
        "engine": EngineUsed(way, unlearned.engine.members, made.engine_reason),
        "data_free": unlearned.data_free,
        "hyperparameters": _hyperparameters(solution),
        "data": task.digest,
    }


def _failed_runs(made: Experiment) -> FailedRuns | msgspec.UnsetType:
    if not made.failed:
        return msgspec.UNSET
    reasons = dict.fromkeys(run.reason for run in made.failed)
    return FailedRuns(sorted(run.model for run in made.failed), list(reasons)[:REASONS])


def _hyperparameters(solution: Solution) -> Hyperparameters:
    values, source, by_user = solution.hyperparameters, solution.source_of_values, list(solution.settings)
    size = msgspec.UNSET if solution.loader_batch_size is None else solution.loader_batch_size
    if by_user:
        return Hyperparameters("set", values, by_user, source, loader_batch_size=size)
    return Hyperparameters(source, values, loader_batch_size=size)


def of_external(
    task: str,
    solution: str,
    pair: Pair,
    scores: Scores,
    intervals: Intervals,
    controls: Controls,
    attacks: dict[str, Opinion],
    seconds: dict[str, float],
    workers: int,
) -> Scorecard:
    """The scorecard of populations that were made elsewhere.

    Args:
        task: what stands for its name.
        solution: what stands for its name.
        pair: the populations.
        scores: measured on them.
        intervals: of the scores.
        controls: measured on them.
        attacks: second opinions.
        seconds: spent on each stage.
        workers: how many threads.
    """
    return Scorecard(
        solution=solution,
        task=task,
        models=pair.unlearned.models,
        retrained_models=pair.retrained.models,
        data_free=None,
        attacks=attacks,
        class_forgetting=Measured(reason="the populations were made elsewhere"),
        seconds=seconds,
        environment=environment(workers),
        **_fields(scores, intervals, controls),
    )


def _fields(*measured: Scores | Intervals | Controls) -> dict[str, Any]:
    return {name: getattr(each, name) for each in measured for name in each.__struct_fields__}


def opinion(found: Mapping[str, Any]) -> Opinion:
    """What an attack says, typed."""
    return msgspec.convert(found, Opinion)


def file_name(made: Experiment, config: ScoringConfig, folder: Path) -> str:
    """The solution's name, and after `--` what differs from the defaults, if anything does.

    Whether values are tuned is in the name as well where a scorecard of the others would be overwritten.

    Args:
        made: the populations.
        config: of the scoring.
        folder: of the task's scorecards.
    """
    tuned = made.populations["unlearned"].unlearning().solution.origin == "tuned"
    name = _file_name(made, config, None if config.hyperparameters == "tuned" else config.hyperparameters)
    if _holds_other_values(folder / f"{name}.json", tuned):
        return _file_name(made, config, "tuned" if tuned else "published")
    return name


def _holds_other_values(path: Path, tuned: bool) -> bool:
    """Whether a scorecard is there of untuned values where these are tuned, or the other way round, or it does not say."""
    try:
        found = codec.read(path).hyperparameters if path.exists() else None
    except InputError:  # a scorecard that cannot be read is no loss
        return False
    return found is not None and (found.origin is None or (found.origin == "tuned") != tuned)


def _file_name(made: Experiment, config: ScoringConfig, values: str | None) -> str:
    unlearned = made.populations["unlearned"]
    solution, task = unlearned.unlearning().solution, unlearned.task
    of_task = {"forget": "{0.forget}", "network": "{0.network}", "recipe": "trained{0.recipe.epochs}"}
    parts = [of_task[name].format(task) for name in task.changed]
    parts += [values] if values else []
    parts += [*sorted(config.define), *(f"{name}={value}" for name, value in sorted(solution.settings.items()))]
    parts += [f"n{config.models}"] if config.models != DEFAULT_MODELS else []
    parts += [f"originals{config.originals}"] if config.originals else []
    parts += [f"seed{config.seed}"] if config.seed else []
    parts += [config.engine] if config.engine else []
    parts += [config.device] if config.device != "cpu" else []
    parts += ["data-free"] if config.data_free else []
    variant = "".join(c if c.isalnum() or c in "=.,-_+" else "_" for c in ",".join(parts).replace(":", ""))
    return _shortened(f"{solution.name}--{variant}" if variant else solution.name)


def _shortened(name: str) -> str:
    """A name that every file system takes: a long one ends in a hash of all of it."""
    encoded = name.encode()
    if len(encoded) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{encoded[: LONGEST_NAME - len(digest) - 1].decode(errors='ignore')}-{digest}"


def environment(
    workers: int,
    device: str = "cpu",
    instruction_set: str | msgspec.UnsetType = msgspec.UNSET,
    sandbox: str | msgspec.UnsetType = msgspec.UNSET,
) -> Environment:
    """What this process and its workers run on."""
    return Environment(
        python=platform.python_version(),
        torch=version("torch"),
        numpy=version("numpy"),
        platform=platform.platform(),
        device=device,
        workers=workers,
        git_commit=_git_commit(),
        instruction_set=instruction_set,
        sandbox=sandbox,
    )


def _git_commit() -> Measured[str]:
    """That of the checkout which this is; not of a repository that merely contains the place where packages are installed."""
    checkout = [f"--git-dir={PROJECT / '.git'}", f"--work-tree={PROJECT}"]
    command = ["git", *checkout, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return Measured(reason="not a git checkout, or git is not installed")
    return Measured(run.stdout.strip())
