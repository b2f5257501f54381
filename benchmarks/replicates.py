"""Replicates of simulated experiments, kept in files, and how often intervals of theirs cover."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from starting_kit.files import identity_key, read_arrays, write_arrays

Floats = NDArray[np.float64]
C = TypeVar("C")
Replicate = Callable[[C, int], list[float]]  # what is found in an experiment of this kind with this seed

BATCH = 50  # replicates per file


def run_batch(replicate: Replicate[C], cell: C, seeds: range, path: Path) -> None:
    """Make the replicates of one file."""
    write_arrays(path, {"replicates": np.array([replicate(cell, seed) for seed in seeds])})


def simulate(
    title: str,
    replicate: Replicate[C],
    cells: Mapping[str, C],
    replicates: int,
    runs: Path,
    settings: Mapping[str, int],
    batch: int = BATCH,
) -> dict[str, Floats]:
    """Replicates [replicates, columns] of each cell, read from files or made where these are missing.

    Args:
        title: begins the names of the files.
        replicate: makes one replicate; other processes call it.
        cells: kinds of experiments by name.
        replicates: how many of each cell.
        runs: the folder in which they are kept, in a folder "coverage".
        settings: what makes replicates others, besides the cell.
        batch: replicates per file.
    """
    paths = {
        (name, number): runs / "coverage" / f"{title}-{name}-{identity_key({**settings, 'cell': str(cell)})}-{number:03d}.npz"
        for name, cell in cells.items()
        for number in range(-(-replicates // batch))
    }
    with (
        ProcessPoolExecutor(len(os.sched_getaffinity(0))) as workers,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        bar = progress.add_task(f"{title}, {len(paths) * batch} replicates", total=len(paths))
        missing = [key for key, path in paths.items() if not path.exists()]
        progress.advance(bar, len(paths) - len(missing))
        seeds = {key: range(key[1] * batch, (key[1] + 1) * batch) for key in missing}
        for job in [workers.submit(run_batch, replicate, cells[key[0]], seeds[key], paths[key]) for key in missing]:
            job.result()
            progress.advance(bar)
    found = {key: read_arrays(path) or {} for key, path in paths.items()}
    made = {name: [arrays["replicates"] for key, arrays in found.items() if key[0] == name] for name in cells}
    return {name: np.concatenate(files)[:replicates] for name, files in made.items()}


def coverage(value: Floats, low: Floats, high: Floats) -> tuple[float, float]:
    """Share of intervals that hold the mean of the values, and two standard errors of that share."""
    share = float(np.mean((low <= value.mean()) & (value.mean() <= high)))
    return share, 2 * float(np.sqrt(share * (1 - share) / len(value)))
