"""The registry of tasks: each module named here defines one as `TASK`.

Where a task also depends on the files of its data, the module defines `of_folder(folder)` as well. Nothing here needs torch, so
the scoring process can describe a task without loading it.
"""

import dataclasses
import importlib
from pathlib import Path
from typing import Any

from starting_kit.errors import InputError, did_you_mean
from starting_kit.tasks import forget_requests
from starting_kit.tasks.task import Task

NAMES = (
    "agedb",
    "casia_surf",
    "cifar10",
    "cifar100",
    "cifar10_jpeg",
    "digit_people",
    "digits",
    "fashion_mnist",
    "ham10000",
    "ham10000_8x8",
    "kaggle_layout",
    "mnist",
    "svhn",
)


def every(folder: Path) -> list[Task]:
    """All tasks, as they are before their data files are read."""
    modules = (importlib.import_module(f"{__name__}.{name}") for name in NAMES)
    return [dataclasses.replace(module.TASK, folder=folder) for module in modules]


def find(
    name: str,
    folder: Path | None = None,
    forget: str | None = None,
    network: str | None = None,
    epochs: int | None = None,
) -> Task:
    """The task with that name, with the user's changes.

    Args:
        name: of the task.
        folder: holds the data sets that are not embedded; `data` by default.
        forget: replaces the task's forget request.
        network: replaces the name of the task's network.
        epochs: replaces the number of epochs of the task's recipe.

    Raises:
        InputError: there is no such task, the forget request cannot be parsed, or files that the task depends on are missing
            or unreadable.
    """
    if name not in NAMES:
        raise InputError(f"There is no task {name!r}; the tasks are {', '.join(NAMES)}.{did_you_mean(name, NAMES)}")
    module = importlib.import_module(f"{__name__}.{name}")
    folder = folder or Path("data")
    task: Task = module.of_folder(folder) if hasattr(module, "of_folder") else module.TASK
    task = dataclasses.replace(task, folder=folder)
    changes: dict[str, Any] = {}
    if forget is not None and forget != task.forget:
        forget_requests.parse(forget)
        changes["forget"] = forget
    if network is not None and network != task.network:
        changes["network"] = network
    if epochs is not None and epochs != task.recipe.epochs:
        changes["recipe"] = dataclasses.replace(task.recipe, epochs=epochs)
    return dataclasses.replace(task, **changes, changed=tuple(changes))
