"""The Python file: the notebook's own text, on the CPU."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from starting_kit.notebooks.adapter_text import ORIGINAL
from starting_kit.notebooks.statements import DEFINITION, Statement, dotted
from starting_kit.notebooks.way import FUNCTION

Edit = tuple[int, int, int, bytes]  # line, start and end in it in bytes, what stands there then
DEVICE = re.compile(r"cuda(:\d+)?")
KEEPS_CUDA = {"autocast", "GradScaler"}  # without a GPU these do nothing if they are told "cuda"


def assembled(path: Path, kept: list[Statement], adapter: str | None, used: set[str], wanted: Mapping[str, Any]) -> str:
    """The file.

    Args:
        path: of the notebook.
        kept: its statements that are executed when the file is loaded.
        adapter: text of the function that calls the notebook's, if there is one.
        used: names that statements read, other than those kept.
        wanted: what the user has set.
    """
    used = used.union(*(statement.reads for statement in kept))
    parts = [f'"""What {path.name} submits: taken out of it by score.py, which does not execute the notebook."""']
    parts += [f"{name} = {value!r}" for name, value in wanted.items()]
    parts += [text for statement in kept for text in _written(statement, used)]
    text = "\n\n".join(parts) + "\n"
    return text if adapter is None else f"{_renamed(text)}\n\n{adapter}\n"


def _written(statement: Statement, used: set[str]) -> Iterator[str]:
    """A statement's text, without imports that nothing uses."""
    node, text = statement.node, statement.text
    if isinstance(node, ast.Import | ast.ImportFrom) and node.names[0].name != "*":
        names = [alias for alias in node.names if (alias.asname or alias.name.split(".")[0]) in used]
        if not names:
            return
        text = ast.unparse(type(node)(**{**dict(ast.iter_fields(node)), "names": names}))
    yield f"# cell {statement.cell}\n{text}" if statement.cell else text


def _renamed(text: str) -> str:
    """The same with another name for `unlearning`, which is ours now."""
    edits: list[Edit] = []
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and node.id == FUNCTION:
            edits.append((node.lineno, node.col_offset, node.col_offset + len(FUNCTION), ORIGINAL.encode()))
        elif isinstance(node, DEFINITION) and node.name == FUNCTION:
            start = lines[node.lineno - 1].encode().index(FUNCTION.encode(), node.col_offset)
            edits.append((node.lineno, start, start + len(FUNCTION), ORIGINAL.encode()))
        elif isinstance(node, ast.alias) and (node.asname or node.name) == FUNCTION:
            end = node.end_col_offset or node.col_offset
            edits.append((node.lineno, node.col_offset, end, f"{node.name} as {ORIGINAL}".encode()))
    return _edited(text, edits)


def _edited(text: str, edits: list[Edit]) -> str:
    lines = [line.encode() for line in text.split("\n")]
    for line, start, end, new in sorted(edits, reverse=True):
        lines[line - 1] = lines[line - 1][:start] + new + lines[line - 1][end:]
    return b"\n".join(lines).decode()


def on_cpu(text: str) -> str:
    """The same with "cpu" for "cuda" and `.cpu()` for `.cuda(...)`."""
    tree = ast.parse(text)
    kept = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and dotted(call.func).rsplit(".")[-1] in KEEPS_CUDA
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
    }
    edits: list[Edit] = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and DEVICE.fullmatch(node.value)
            and id(node) not in kept
        ):
            if node.end_lineno == node.lineno and node.end_col_offset is not None:
                edits.append((node.lineno, node.col_offset, node.end_col_offset, b'"cpu"'))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
            start, end = node.func.value.end_col_offset, node.end_col_offset
            if node.end_lineno == node.func.value.end_lineno and start is not None and end is not None:
                edits.append((node.end_lineno or 0, start, end, b".cpu()"))
    return _edited(text, edits)
