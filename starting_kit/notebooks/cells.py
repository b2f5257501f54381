"""The code cells of a notebook, read as Python."""

import ast
import json
import re
from pathlib import Path

from starting_kit.errors import InputError

MAGIC = re.compile(r"\s*([\w, ]+=\s*)?[!%].*|\s*\?.*|.*\?\s*")


def read_cells(path: Path) -> tuple[list[str], list[str]]:
    """The code cells of a notebook as Python, with remarks on those that are not Python and come back empty.

    Raises:
        InputError: the file is not a notebook.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no Jupyter notebook ({type(error).__name__}: {error}).") from error
    cells, remarks = [], []
    for number, source in enumerate(sources, start=1):
        cells.append("")
        for attempt in (source, _without_magics(source)):
            try:
                ast.parse(attempt)
            except (SyntaxError, ValueError) as error:
                problem = error
            else:
                cells[-1] = attempt
                break
        else:
            remarks.append(f"cell {number} of {path.name} is left out, it is no Python ({problem})")
    return cells, remarks


def _without_magics(source: str) -> str:
    """Replace magics by `pass`; a cell in another language becomes empty."""
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and first.split()[0] not in ("%%time", "%%timeit", "%%capture", "%%prun"):
        return ""
    blank = [" " * (len(line) - len(line.lstrip())) + "pass" if MAGIC.fullmatch(line) else line for line in lines]
    return "\n".join(blank)
