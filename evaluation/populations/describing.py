"""A solution described by a worker that has loaded it: what the scoring process knows of it."""

import ast
import dataclasses
from pathlib import Path
from typing import Any

from evaluation.populations import jobs
from evaluation.populations.executors import LocalProcesses
from starting_kit.contract import Solution
from starting_kit.errors import InputError
from starting_kit.search_space import Range

LOADING = 60.0  # seconds that a file may take to load, with all that it imports


def described(
    workers: LocalProcesses,
    path: Path,
    settings: tuple[str, ...],
    tuned: dict[str, Any] | None,
    retain: int | None = None,
) -> Solution:
    """A solution, as `contract.describe` finds it.

    Raises:
        InputError: as there, or its search space holds values that are no literals.
        WorkerDiedError: it ended its process while it was loaded, or was not loaded in time.
    """
    found, literals = workers.run(jobs.describe_solution, path, settings, tuned, retain, limit=LOADING)
    try:
        overrides, ranges = ast.literal_eval(literals)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise InputError(f"{path}: SEARCH_SPACE must hold numbers, texts, and lists and tuples of these.") from error
    return dataclasses.replace(
        found, overrides=overrides, search_space={name: Range(*limits) for name, limits in ranges.items()}
    )
