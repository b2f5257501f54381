"""Workers that run a solution, and what confines them."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile

from evaluation.populations import jobs
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.serving import Confinement
from starting_kit.errors import InputError
from starting_kit.tasks.task import Task


def runners_of(path: Path, task: Task, workers: int, places: Sequence[Path], notice: Callable[[str], None]) -> LocalProcesses:
    """Workers that run a solution: they read its folder, not the populations, results and data sets.

    A folder that holds the solution cannot be hidden from it. If that is the one of the populations, `sandbox_of` finds it out.

    Args:
        path: of the solution.
        task: what it runs on.
        workers: how many.
        places: folders of populations, results and data sets.
        notice: called with a sentence for the user.
    """
    folder = path.parent.resolve()
    hidden = [place for place in places if not folder.is_relative_to(place.resolve())]
    confined = Confinement((folder, *task.open_files()), tuple(hidden))
    return LocalProcesses(workers, notice, partial(jobs.get_ready_for_solutions, task), path, confined)


def sandbox_of(runners: LocalProcesses, runs: Path, required: bool) -> str:
    """What confines these workers, tried from inside.

    Args:
        runners: the workers.
        runs: the folder of populations.
        required: whether it is an error that nothing does.

    Raises:
        InputError: nothing does, and it is required.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=runs, prefix=".probe-") as secret:
        found = runners.run(jobs.probe, Path(secret.name).absolute(), runs.absolute(), os.getpid())
    sandbox = found.sandbox
    if found.reached and not sandbox.startswith("none"):
        sandbox = f"none ({sandbox}, and yet it can {', '.join(found.reached)})"
    if required and sandbox.startswith("none"):
        raise InputError(f"--require-sandbox: there is {sandbox}.")
    return sandbox
