"""The scorecard: the result of scoring one solution on one task, one JSON file."""

import json
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.epsilon import epsilons
from evaluation.forgetting import forgetting_quality
from evaluation.outputs import Outputs
from evaluation.populations import Population
from evaluation.store import write_json
from evaluation.utility import accuracy_ratio, score
from starting_kit.contract import PROJECT
from starting_kit.errors import InputError

SCHEMA_VERSION = 1
METRIC_VERSION = 1
DEFAULT_MODELS = 512
COST_LIMIT = 0.20  # of the time of a retraining: the competition's rule
# What two runs of the same thing need not agree in.
EXEMPT = ("cost", "within_limit", "seconds", "environment")


@dataclass(frozen=True)
class Comparison:
    """One population against the retrained one: forgetting quality, accuracy ratios, and their product, the score."""

    epsilons: NDArray[np.float64]
    forgetting_quality: float
    retain_ratio: float
    test_ratio: float

    @property
    def score(self) -> float:
        """The competition's score."""
        return score(self.forgetting_quality, self.retain_ratio, self.test_ratio)


def compare(outputs: Outputs, retrained: Outputs) -> Comparison:
    """Score a population against the retrained population.

    Args:
        outputs: of unlearned models (or of others, for ceiling and floor).
        retrained: of as many retrained models, on the same examples.

    Raises:
        ValueError: populations that cannot be compared (see `epsilons`).
    """
    examples = epsilons(outputs.confidences["forget"], retrained.confidences["forget"])
    return Comparison(
        examples,
        forgetting_quality(examples, models=outputs.models),
        accuracy_ratio(outputs.accuracy["retain"], retrained.accuracy["retain"]),
        accuracy_ratio(outputs.accuracy["test"], retrained.accuracy["test"]),
    )


def build(
    unlearned: Population,
    engine_reason: str,
    models: int,
    outputs: dict[str, Outputs],
    cost: float,
    seconds: dict[str, float],
    workers: int,
) -> dict[str, Any]:
    """The scorecard of an unlearned population.

    Args:
        unlearned: what was scored.
        engine_reason: why it was made in lockstep, or not.
        models: N.
        outputs: of each kind of population.
        cost: time of an unlearning over time of a retraining.
        seconds: spent on each stage.
        workers: how many processes.
    """
    solution, task = unlearned.solution, unlearned.task
    assert solution is not None
    retrained = outputs["retrained"]
    result = compare(outputs["unlearned"], retrained)

    def accuracies(split: str) -> dict[str, float]:
        return {kind: float(outputs[kind].accuracy[split].mean()) for kind in ("unlearned", "retrained")}

    return {
        "schema_version": SCHEMA_VERSION,
        "solution": solution.name,
        "task": task.name,
        "task_version": task.version,
        "metric_version": METRIC_VERSION,
        "models": models,
        "seed": unlearned.master_seed,
        "originals": 1,
        "forget": task.forget,
        "network": task.network,
        "engine": {
            "unlearning": "single" if unlearned.engine.kind == "single" else "lockstep",
            "models_at_once": unlearned.engine.members,
            "reason": engine_reason,
        },
        "hyperparameters": {"source": "set" if solution.overrides else "published", "values": solution.hyperparameters},
        "score": result.score,
        "ceiling": compare(outputs["second_retrained"], retrained).score,
        "floor": compare(outputs["original"], retrained).score,
        "forgetting_quality": result.forgetting_quality,
        "retain_ratio": result.retain_ratio,
        "test_ratio": result.test_ratio,
        "retain_accuracy": accuracies("retain"),
        "test_accuracy": accuracies("test"),
        "forget_accuracy": accuracies("forget"),
        "epsilons": [
            {"example": int(example), "epsilon": float(epsilon)}
            for example, epsilon in zip(retrained.ids["forget"], result.epsilons, strict=True)
        ],
        "cost": cost,
        "within_limit": cost <= COST_LIMIT,
        "seconds": seconds,
        "environment": _environment(workers),
    }


def variant(solution_overrides: dict[str, Any], models: int, seed: int, engine: str | None = None) -> str:
    """What differs from the defaults, for the scorecard's file name; empty if nothing does.

    >>> variant({"cycles": 4}, models=64, seed=0)
    'cycles=4,n64'
    """
    parts = [f"{name}={value}" for name, value in sorted(solution_overrides.items())]
    parts += [f"n{models}"] if models != DEFAULT_MODELS else []
    parts += [f"seed{seed}"] if seed else []
    parts += [engine] if engine else []
    return "".join(c if c.isalnum() or c in "=.,-_+" else "_" for c in ",".join(parts))


def write(scorecard: dict[str, Any], results: Path, variant: str) -> Path:
    """Write a scorecard where the leaderboard looks for it, and give its path."""
    name = f"{scorecard['solution']}--{variant}.json" if variant else f"{scorecard['solution']}.json"
    path = results / scorecard["task"] / name
    write_json(path, scorecard)
    return path


def read(path: Path) -> dict[str, Any]:
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


def _environment(workers: int) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "platform": platform.platform(),
        "device": "cpu",
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
