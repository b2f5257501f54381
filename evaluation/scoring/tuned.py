"""Hyper-parameters that were fitted to a task: `tuned/<task>.json` beside the solution's file, one entry per solution."""

import json
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock
from msgspec import Struct

from starting_kit.errors import InputError
from starting_kit.files import write_json
from starting_kit.tasks.task import Task


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was fitted, and how it was found.

    Attributes:
        task_version: of the task it was fitted to.
        values: of the hyper-parameters that were tuned.
        score: to be expected with many models, by models that the search has not seen.
        cost: of one unlearning, as a share of a retraining.
        models: with which the best trials were judged again.
        trials: how many there were.
        judged_again: how many of them were judged again.
        optimism: how much higher the best trial's score was in the search than when it was judged again.
        date: when.
    """

    task_version: int
    values: dict[str, Any]
    score: float = 0.0
    cost: float = 0.0
    models: int = 0
    trials: int = 0
    judged_again: int = 0
    optimism: float = 0.0
    date: str = ""


def path(solution: Path, task: str) -> Path:
    """The file that holds what was fitted to a task, for the solutions of a folder."""
    return solution.parent / "tuned" / f"{task}.json"


def read(solution: Path, task: Task) -> Entry | None:
    """The entry of a solution; None where it was not tuned for this version of the task.

    Nor was it where the task is not as it was: another forget request, network or number of epochs.

    Raises:
        InputError: the file is damaged.
    """
    file = path(solution, task.name)
    found = _entries(file).get(solution.stem)
    if found is None or task.changed:
        return None
    try:
        entry = msgspec.convert(found, Entry)
        return entry if entry.task_version == task.version else None
    except msgspec.ValidationError as error:
        raise InputError(f"{file} holds no values for {solution.stem}; remove the entry or tune again.") from error


def write(solution: Path, task: Task, entry: Entry) -> Path:
    """Keep an entry beside those of other solutions, and give the file's path.

    Raises:
        InputError: the file is damaged.
        RunError: it cannot be written.
    """
    file = path(solution, task.name)
    file.parent.mkdir(exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        entries = {**_entries(file), solution.stem: msgspec.to_builtins(entry)}
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
