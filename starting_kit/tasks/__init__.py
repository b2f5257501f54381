"""The tasks, by name: each module that is named here defines one as `TASK`.

Where the files of its data determine more of a task, the module defines `of_folder(folder)` as well. Nothing here needs torch,
so that the process that scores can know a task without loading it.
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
    "digits",
    "fashion_mnist",
    "ham10000",
    "ham10000_8x8",
    "kaggle_layout",
    "mnist",
    "svhn",
)


def every(folder: Path) -> list[Task]:
    """All tasks, as they are before the files of their data are looked at."""
    modules = (importlib.import_module(f"{__name__}.{name}") for name in NAMES)
    return [dataclasses.replace(module.TASK, folder=folder) for module in modules]


def find(
    name: str,
    folder: Path | None = None,
    forget: str | None = None,
    network: str | None = None,
    epochs: int | None = None,
) -> Task:
    """The task of that name, with what the user wants otherwise.

    Args:
        name: of the task.
        folder: where data sets lie that are not embedded.
        forget: a forget request.
        network: the name of a network.
        epochs: of the recipe.

    Raises:
        InputError: there is no such task, or the request cannot be read.
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
