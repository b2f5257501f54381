"""The scorecard: the result of scoring one solution on one task, one JSON file."""

import hashlib
import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evaluation.scoring.experiment import Experiment
from evaluation.scoring.external import Pair
from starting_kit.contract import PROJECT
from starting_kit.errors import InputError
from starting_kit.files import write_json

Scorecard = dict[str, Any]

SCHEMA_VERSION = 3
METRIC_VERSION = 1
DEFAULT_MODELS = 512
COST_LIMIT = 0.20  # of the time of a retraining: the competition's rule
# What two runs of the same thing need not agree in.
EXEMPT = ("cost", "within_limit", "seconds", "environment")


def of_experiment(made: Experiment, measured: dict[str, Any], seconds: dict[str, float], workers: int) -> Scorecard:
    """The scorecard of a solution.

    Args:
        made: the populations.
        measured: what `evaluation.metric.measures` and `evaluation.attacks` find in them.
        seconds: spent on each stage.
        workers: how many processes.
    """
    unlearned = made.kinds["unlearned"]
    solution, task = unlearned.solution, unlearned.task
    assert solution is not None
    return {
        "schema_version": SCHEMA_VERSION,
        "solution": solution.name,
        "task": task.name,
        "task_version": task.version,
        "metric_version": METRIC_VERSION,
        "models": made.models,
        "seed": unlearned.master_seed,
        "originals": unlearned.originals,
        "forget": task.identity()["forget"],
        "network": task.network,
        "epochs": task.recipe.epochs,
        **({"trainer": solution.name} if solution.trains else {}),
        "engine": {
            "unlearning": "single" if unlearned.engine.kind == "single" else "lockstep",
            "models_at_once": unlearned.engine.members,
            "reason": made.engine_reason,
        },
        "data_free": unlearned.data_free,
        "hyperparameters": {"source": solution.source_of_values, "values": solution.hyperparameters},
        "data": task.digest,
        "retrained_population": made.kinds["retrained"].key,
        **measured,
        "cost": made.cost,
        "within_limit": made.cost <= COST_LIMIT,
        "seconds": seconds,
        "environment": _environment(workers, made.device_name),
    }


def of_brought(
    task: str, solution: str, pair: Pair, measured: dict[str, Any], seconds: dict[str, float], workers: int
) -> Scorecard:
    """The scorecard of populations that were brought from elsewhere (arguments as for `of_experiment`)."""
    elsewhere = "the populations were made elsewhere"
    unknown = (
        "task_version", "seed", "originals", "forget", "network", "epochs", "data", "engine", "data_free", "hyperparameters",
        "cost", "within_limit", "class_forgetting",
    )  # fmt: skip
    nulls = with_reasons(dict.fromkeys(unknown), dict.fromkeys(unknown, elsewhere))
    return {
        "schema_version": SCHEMA_VERSION,
        "solution": solution,
        "task": task,
        "metric_version": METRIC_VERSION,
        "models": pair.unlearned.models,
        "retrained_models": pair.retrained.models,
        "retrained_population": hashlib.sha256(pair.retrained.confidences["forget"].tobytes()).hexdigest()[:16],
        **measured,
        **nulls,
        "seconds": seconds,
        "environment": _environment(workers),
    }


def with_reasons(measured: dict[str, Any], reasons: dict[str, str]) -> dict[str, Any]:
    """What cannot be computed is None on a scorecard, with the reason after it under the same name and `_reason`.

    >>> with_reasons({"floor": None, "ceiling": 0.2}, {"floor": "original models are not known"})
    {'floor': None, 'floor_reason': 'original models are not known', 'ceiling': 0.2}
    """
    result = {}
    for name, value in measured.items():
        result[name] = value
        if value is None:
            result[f"{name}_reason"] = reasons[name]
    return result


def variant(made: Experiment, engine: str | None, published: bool) -> str:
    """What differs from the defaults, for the scorecard's file name; empty if nothing does.

    Args:
        made: the populations.
        engine: the one that was forced.
        published: whether the published hyper-parameters were asked for.
    """
    unlearned = made.kinds["unlearned"]
    assert unlearned.solution is not None
    task, values = unlearned.task, {"forget": "{0.forget}", "network": "{0.network}", "recipe": "trained{0.recipe.epochs}"}
    parts = [values[name].format(task) for name in task.changed]
    parts += ["published"] if published else []
    parts += [f"{name}={value}" for name, value in sorted(unlearned.solution.settings.items())]
    parts += [f"n{made.models}"] if made.models != DEFAULT_MODELS else []
    parts += [f"originals{unlearned.originals}"] if unlearned.originals > 1 else []
    parts += [f"seed{unlearned.master_seed}"] if unlearned.master_seed else []
    parts += [engine] if engine else []
    parts += [unlearned.device] if unlearned.device != "cpu" else []
    parts += ["data-free"] if unlearned.data_free else []
    return "".join(c if c.isalnum() or c in "=.,-_+" else "_" for c in ",".join(parts).replace(":", ""))


def write(scorecard: Scorecard, results: Path, variant: str) -> Path:
    """Write a scorecard where the leaderboard looks for it, and give its path."""
    name = f"{scorecard['solution']}--{variant}.json" if variant else f"{scorecard['solution']}.json"
    path = results / scorecard["task"] / name
    write_json(path, scorecard)
    return path


def read(path: Path) -> Scorecard:
    """Read a scorecard.

    Raises:
        InputError: the file is damaged, no scorecard, or one of another schema version.
    """
    try:
        scorecard = json.loads(path.read_text(encoding="utf-8"))
        found = scorecard["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a scorecard ({type(error).__name__}: {error}); remove it or score again.") from error
    if found != SCHEMA_VERSION:
        raise InputError(f"{path} has schema version {found}, this program knows {SCHEMA_VERSION}; score again.")
    return scorecard


def _environment(workers: int, device: str = "cpu") -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "platform": platform.platform(),
        "device": device,
        "workers": workers,
        **_git_commit(),
    }


def _git_commit() -> dict[str, Any]:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return {"git_commit": None, "git_commit_reason": "not a git checkout, or git is not installed"}
    return {"git_commit": run.stdout.strip()}
