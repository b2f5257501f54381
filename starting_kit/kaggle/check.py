"""Executes a submission's notebook as it stands, on one thread and a folder laid out like Kaggle's; reads its checkpoints."""

import os
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from starting_kit.errors import RunError
from starting_kit.extras import needs

with needs("notebooks"):
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def execute(notebook: Any, kaggle: Path, work: Path, models: int) -> dict[str, Mapping[str, Tensor]]:
    """Run a submission's notebook, and give the checkpoints in its `submission.zip` by name.

    Args:
        notebook: as `submission.notebook` makes it.
        kaggle: the folder that stands in for `/kaggle`.
        work: the working directory.
        models: how many runs.

    Raises:
        RunError: a cell failed.
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
