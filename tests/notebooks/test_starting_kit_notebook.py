import subprocess

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from conftest import PROJECT

NOTEBOOK = PROJECT / "starting_kit" / "starting_kit.ipynb"
SOURCE = PROJECT / "starting_kit" / "notebook_sources" / "starting_kit.py"


def test_the_notebook_is_that_of_its_source():
    notebook, source = nbformat.read(NOTEBOOK, as_version=4), jupytext.read(SOURCE)
    nbformat.validate(notebook)
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        (cell.cell_type, cell.source) for cell in source.cells
    ], "the source was changed: make notebook"


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    for name in ("evaluation", "solutions", "starting_kit", "submit.py"):
        (tmp_path / name).symlink_to(PROJECT / name)  # so that what it writes is not written into the project
    notebook = jupytext.read(SOURCE)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute(stderr=subprocess.DEVNULL)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert any("starting_kit on digits" in output.get("text", "") for output in outputs)
    assert (tmp_path / "runs" / "starting_kit" / "scorecard.json").exists()
