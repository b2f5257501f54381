"""A solution as a Kaggle notebook, and the metadata file that Kaggle wants beside it.

The notebook is `notebook_sources/submission.py` with the solution in it: the modules that it imports are written to files by
cells of their own, the solution itself is an ordinary cell. Nothing is hidden, and nothing else is needed to run it.
"""

import re
from pathlib import Path
from typing import Any

from starting_kit.contract import BatchFormat, Solution
from starting_kit.errors import InputError
from starting_kit.extras import needs

TEMPLATE = Path(__file__).parent / "notebook_sources" / "submission.py"
COMPETITION = "neurips-2023-machine-unlearning"
NOTEBOOK, METADATA = "submission.ipynb", "kernel-metadata.json"
MOST_BYTES = 900_000  # Kaggle is said to take one million; the body travels as JSON inside JSON
TITLE_LENGTH = (5, 50)
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


KIT = Path(__file__).resolve().parents[1]
MODULE = "submitted_solution"  # the solution in the notebook: a module, so that its names and the notebook's do not meet
UNSIGNED = 'FINGERPRINT = ""'


def notebook(
    solution: Solution, batches: BatchFormat, move_batches: bool, title: str, seed: int, half: bool, hours: float
) -> Any:
    """The notebook (nbformat 4.5).

    Args:
        solution: what is submitted, with its hyper-parameters.
        batches: what it reads.
        move_batches: whether its loaders bring batches to the GPU.
        title: of the notebook.
        seed: every run's seed derives from it.
        half: whether checkpoints are float16.
        hours: how long the notebook may take.

    Raises:
        InputError: a hyper-parameter has no literal, the notebook is too large for Kaggle, or the extra `kaggle` is not
            installed.
    """
    with needs("kaggle"):
        import jupytext
        from nbformat.v4 import new_code_cell
    require_plain(solution.overrides)
    constants: dict[str, Any] = {"SETTINGS": solution.overrides, "BATCHES": batches, "MOVE_BATCHES": move_batches}
    constants |= {"SEED": seed, "HALF": half, "HOURS": hours}
    text = TEMPLATE.read_text(encoding="utf-8").replace("TITLE", title, 1)
    for name, value in constants.items():
        line = f"{name} = {value!r}".replace("\\", r"\\")
        text = re.sub(rf"^{name} = \S+", line, text, flags=re.MULTILINE)
    made = jupytext.reads(text, fmt="py:percent")
    made.metadata = KERNEL
    for cell in made.cells:
        if (file := cell.metadata.get("title", "")).endswith(".py"):
            cell.source = (KIT.parent / file).read_text(encoding="utf-8").rstrip()
    place = next(i for i, cell in enumerate(made.cells) if cell.metadata.get("title") == "SOLUTION")
    made.cells[place : place + 1] = [new_code_cell(source) for source in _solution_cells(solution)]
    for number, cell in enumerate(made.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
    if (size := len(str(made).encode())) > MOST_BYTES:
        raise InputError(f"The notebook of {solution.name} has {size:,} bytes, more than Kaggle takes ({MOST_BYTES:,}).")
    return made


def require_plain(values: dict[str, Any]) -> None:
    """See whether values of hyper-parameters have literals.

    Raises:
        InputError: one has none.
    """
    plain = (int, float, str, bool, tuple, list, type(None))
    if unwritable := [name for name, value in values.items() if not isinstance(value, plain)]:
        raise InputError(f"The hyper-parameter {unwritable[0]} is not a plain value, so it cannot be written into a notebook.")


def _solution_cells(solution: Solution) -> list[str]:
    """Cells that write the solution and the modules which it imports to files, and one that imports it."""
    own = next(name for name in (f"solutions/{solution.path.name}", solution.path.name) if name in solution.sources)
    files = {name: text for name, text in solution.sources.items() if name != own}
    folders = sorted({str(Path(name).parent) for name in files} - {"."})
    cells = (
        [f"for folder in {folders}:\n    os.makedirs(folder, exist_ok=True)\n    Path(folder, '__init__.py').touch()"]
        if folders
        else []
    )
    files[f"{MODULE}.py"] = solution.sources[own]
    cells += [f"%%writefile {name}\n{text.rstrip()}" for name, text in files.items()]
    return [*cells, f"from {MODULE} import unlearning"]


def signed(notebook: dict[str, Any], fingerprint: str) -> dict[str, Any]:
    """A notebook that prints and writes a fingerprint, by which its output is known."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if UNSIGNED in source:
            cell["source"] = source.replace(UNSIGNED, f'FINGERPRINT = "{fingerprint}"', 1)
            break
    return notebook


def metadata(user: str, title: str, accelerator: str) -> dict[str, Any]:
    """The notebook's metadata, with every field, because the client's defaults are not the documented ones.

    Raises:
        InputError: Kaggle would not take the title.
    """
    slug = slug_of(title)
    return {
        "id": f"{user}/{slug}",
        "title": title,
        "code_file": NOTEBOOK,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_tpu": False,
        "enable_internet": False,  # code competitions demand it; the client's default is True
        "machine_shape": accelerator,
        "dataset_sources": [],
        "competition_sources": [COMPETITION],
        "kernel_sources": [],
        "model_sources": [],
        "keywords": [],
    }


def slug_of(title: str) -> str:
    """The last part of a notebook's address: what Kaggle makes of its title.

    >>> slug_of("Unlearning: scl improved")
    'unlearning-scl-improved'

    Raises:
        InputError: Kaggle would not take the title, or the extra `kaggle` is not installed.
    """
    with needs("kaggle"):
        from slugify import slugify  # as the client does
    low, high = TITLE_LENGTH
    slug = slugify(title)
    if not low <= len(title) <= high or len(slug) < low:
        raise InputError(
            f"The title {title!r} must have {low} to {high} characters, {low} of them letters or digits; --title gives another."
        )
    return slug
