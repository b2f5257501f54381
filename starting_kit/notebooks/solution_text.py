"""The Python file: the notebook's own text, on the CPU."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from starting_kit.notebooks.needs import FUNCTION
from starting_kit.notebooks.statements import Statement, assigned, dotted, names_of

DEVICE = re.compile(r"cuda(:\d+)?")
KEEPS_CUDA = {"autocast", "GradScaler"}  # without a GPU these do nothing if they are told "cuda"


def assembled(path: Path, kept: list[Statement], passed: Mapping[str, str], wanted: Mapping[str, Any]) -> str:
    """The file: what the user has set, what is kept, and what the notebook passes on."""
    used = {FUNCTION}.union(*(statement.reads for statement in kept), *(names_of(value)[1] for value in passed.values()))
    parts = [f'"""What {path.name} submits: taken out of it by score.py, which does not execute the notebook."""']
    parts += [f"{name} = {value!r}" for name, value in wanted.items()]
    for statement in kept:
        parts += _written(statement, used, wanted)
    if passed:
        values = ", ".join(f"{name}={value}" for name, value in passed.items())
        parts.append(f"import functools\n\n{FUNCTION} = functools.partial({FUNCTION}, {values})")
    return "\n\n".join(parts) + "\n"


def _written(statement: Statement, used: set[str], wanted: Mapping[str, Any]) -> Iterator[str]:
    """A statement's text: without imports that nothing uses, and without the value of what the user has set."""
    node = statement.node
    if any(name in wanted for name, _ in assigned(node)):
        return
    text = statement.text
    if isinstance(node, ast.Import | ast.ImportFrom) and node.names[0].name != "*":
        names = [alias for alias in node.names if (alias.asname or alias.name.split(".")[0]) in used]
        text = ast.unparse(type(node)(**{**dict(ast.iter_fields(node)), "names": names}))
    yield f"# cell {statement.cell}\n{text}"


def on_cpu(text: str) -> str:
    """The same with "cpu" for "cuda" and `.cpu()` for `.cuda(...)`."""
    tree = ast.parse(text)
    kept = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and dotted(call.func).rsplit(".")[-1] in KEEPS_CUDA
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
    }
    lines = [line.encode() for line in text.split("\n")]
    edits: list[tuple[int, int, int, bytes]] = []
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
    for line, start, end, new in sorted(edits, reverse=True):
        lines[line - 1] = lines[line - 1][:start] + new + lines[line - 1][end:]
    return b"\n".join(lines).decode()
