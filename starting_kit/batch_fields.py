"""What a solution reads of the Kaggle kit's batches that a task does not know, and that is made up."""

import ast
from collections.abc import Iterator

from starting_kit.contract import Solution
from starting_kit.tasks.data import Data
from starting_kit.tasks.task import Task


def made_up(solution: Solution, task: Task, data: Data) -> list[str]:
    """What the author of a solution that reads dicts should know of them, a sentence for each field that is made up."""
    invented: dict[str, str] = {}
    if data.subjects is None:
        invented |= dict.fromkeys(("person_id", "image_id"), "every image shows a person of its own")
    if data.ages is None:
        invented["age"] = "an image's age is its label"
    read = {name for text in solution.sources.values() for name in _read(text)}
    return [
        f"{solution.name} reads {name!r}, which {task.name} does not know: {reason}."
        for name, reason in invented.items()
        if name in read
    ]


def _read(text: str) -> Iterator[str]:
    """Names of the entries that Python text takes out of something: `batch["age"]`, `batch.get("age")`."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Subscript(_, ast.Constant(str(name))) | ast.Call(ast.Attribute(_, "get"), [ast.Constant(str(name)), *_]):
                yield name
