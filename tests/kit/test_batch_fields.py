"""What a task does not know, and dict batches have nevertheless, is said to those who read it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from starting_kit import contract, tasks
from starting_kit.batch_fields import made_up

TASK = tasks.find("digits")
READING = """
def unlearning(net, retain, forget, validation):
    for batch in retain:
        net(batch["image"]), batch["age_group"], {}
"""


def sentences(folder: Path, reading: str, **known: bool) -> list[str]:
    path = folder / "mine.py"
    path.write_text(READING.format(reading))
    data = TASK.load()
    data = dataclasses.replace(
        data, **{name: np.zeros(len(data.labels), np.int64) for name, is_known in known.items() if is_known}
    )
    return made_up(contract.describe(path, []), TASK, data)


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        ('batch["person_id"]', ["mine reads 'person_id', which digits does not know: every image shows a person of its own."]),
        ('batch.get("age", 0)', ["mine reads 'age', which digits does not know: an image's age is its label."]),
        ('batch["image_id"]', ["mine reads 'image_id', which digits does not know: every image shows a person of its own."]),
        ("print('age')", []),
    ],
)
def test_fields_that_are_made_up_are_named(tmp_path: Path, reading: str, said: list[str]) -> None:
    assert sentences(tmp_path, reading) == said


def test_fields_that_are_known_are_not(tmp_path: Path) -> None:
    reading = 'batch["person_id"], batch["age"]'
    assert len(sentences(tmp_path, reading, subjects=True)) == 1
    assert sentences(tmp_path, reading, subjects=True, ages=True) == []
