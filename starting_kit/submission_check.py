"""Does a submission's notebook give the weights that are scored? It is executed as it stands, on a folder laid out as Kaggle's.

The weights of its checkpoints must equal those of `runner.call` for the same seeds: in float32, on one thread, bit for bit.
"""

import dataclasses
import os
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from torch import Tensor, nn

from starting_kit import runner, tasks
from starting_kit.contract import Batches, Solution
from starting_kit.errors import RunError
from starting_kit.networks import build

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def execute(notebook: Any, kaggle: Path, work: Path, models: int) -> dict[str, Mapping[str, Tensor]]:
    """Run a submission's notebook, and give the checkpoints in its `submission.zip` by name.

    Args:
        notebook: as `submission.notebook` makes it.
        kaggle: the folder that stands for `/kaggle`.
        work: the working directory.
        models: how many runs.

    Raises:
        RunError: a cell failed; its number and the error.
    """
    environment = {"UNLEARNING_KAGGLE": str(kaggle), "UNLEARNING_MODELS": str(models), **dict.fromkeys(ONE_THREAD, "1")}
    client = NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(work)}})
    try:
        with mock.patch.dict(os.environ, environment):
            client.execute(stderr=subprocess.DEVNULL)  # the kernel's own warnings; what cells print is in the notebook
    except CellExecutionError as error:
        raise RunError(f"The notebook fails: {error.ename}: {error.evalue}") from error
    with zipfile.ZipFile(work / "submission.zip") as archive:
        return {name: torch.load(archive.open(name), weights_only=True) for name in archive.namelist()}


def expected(solution: Solution, batches: Batches, folder: Path, seeds: list[int]) -> Iterator[dict[str, Tensor]]:
    """The weights of unlearned models, one at a time as `score.py --engine single` makes them, on a competition's folder.

    All validation images are given to the solution, as in the competition; scoring keeps half of them for testing.
    """
    task = tasks.find("kaggle_layout", folder)
    found = task.load()
    data = dataclasses.replace(found, validation=np.sort(np.concatenate([found.validation, found.test])))
    for seed in seeds:
        net: nn.Module = build(task, seed=0)
        assert task.original is not None
        net.load_state_dict(torch.load(task.original, weights_only=True))
        runner.start_afresh(seed)
        yield runner.call(solution, net.eval(), task, data, batches).state_dict()
