"""Folders with a solution and what lies beside it."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]


@pytest.fixture(name="write")
def write_files(tmp_path: Path) -> Write:
    """Writes the files of a folder, their names given with `__` for `/`, and gives the solution, `mine.py`."""

    def files(mine: str, name: str = "mine", **others: str) -> Path:
        for other, text in {name: mine, **others}.items():
            file = tmp_path.joinpath(*other.split("__")).with_suffix(".py")
            if others and file.name == "init.py":
                file = file.with_name("__init__.py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        return tmp_path / f"{name}.py"

    return files
