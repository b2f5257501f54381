"""Executes a submission's notebook as it stands, on one thread and a folder laid out like Kaggle's; reads its checkpoints."""

import os
import pickle
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

NOTE = "note: "
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def execute(notebook: Any, kaggle: Path, work: Path, models: int) -> dict[str, Mapping[str, Tensor]]:
    """Run a submission's notebook, and give the checkpoints in its `submission.zip` by name.

    Args:
        notebook: as `submission.notebook` makes it.
        kaggle: the folder that stands in for `/kaggle`.
        work: the working directory.
        models: how many runs.

    Raises:
        RunError: a cell failed, or a checkpoint is not readable as the competition's scorer reads it.
    """
    environment = {"UNLEARNING_KAGGLE": str(kaggle), "UNLEARNING_MODELS": str(models), **dict.fromkeys(ONE_THREAD, "1")}
    client = NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(work)}})
    try:
        with mock.patch.dict(os.environ, environment):
            client.execute(stderr=subprocess.DEVNULL)  # the kernel's own warnings; what cells print is in the notebook
    except CellExecutionError as error:
        raise RunError(f"The notebook fails: {error.ename}: {error.evalue}") from error
    with zipfile.ZipFile(work / "submission.zip") as archive:
        return {name: _read(archive, name) for name in archive.namelist()}


def notes(notebook: Any) -> list[str]:
    """What an executed notebook remarked."""
    printed = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])]
    return [line.removeprefix(NOTE) for text in printed for line in text.splitlines() if line.startswith(NOTE)]


def _read(archive: zipfile.ZipFile, name: str) -> Any:
    try:
        with archive.open(name) as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise RunError(f"{name} holds more than weights, so the competition cannot read it: {error}") from error
