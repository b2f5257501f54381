"""Hyper-parameters that were fitted to a task: `tuned/<task>.json` beside the solution's file, one entry per solution."""

import json
from pathlib import Path
from typing import Any

from filelock import FileLock

from starting_kit.errors import InputError
from starting_kit.files import write_json
from starting_kit.tasks.task import Task


def path(solution: Path, task: str) -> Path:
    """The file that holds what was fitted to a task, for the solutions of a folder."""
    return solution.parent / "tuned" / f"{task}.json"


def read(solution: Path, task: Task) -> dict[str, Any] | None:
    """The entry of a solution: `values` and how they were found; None where it was not tuned for this version of the task.

    Nor was it where the task is not as it was: another forget request, network or number of epochs.

    Raises:
        InputError: the file is damaged.
    """
    file = path(solution, task.name)
    entry = _entries(file).get(solution.stem)
    if entry is None or task.changed:
        return None
    try:
        return entry if entry["task_version"] == task.version and isinstance(entry["values"], dict) else None
    except (KeyError, TypeError) as error:
        raise InputError(f"{file} holds no values for {solution.stem}; remove the entry or tune again.") from error


def write(solution: Path, task: Task, entry: dict[str, Any]) -> Path:
    """Keep an entry beside those of other solutions, and give the file's path (errors as for `read` and `write_json`)."""
    file = path(solution, task.name)
    file.parent.mkdir(exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        entries = {**_entries(file), solution.stem: {"task_version": task.version, **entry}}
        write_json(file, dict(sorted(entries.items())))
    return file


def _entries(file: Path) -> dict[str, Any]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}); restore or remove it.") from error
    if not isinstance(entries, dict):
        raise InputError(f"{file} is not a dict of solutions; restore or remove it.")
    return entries
