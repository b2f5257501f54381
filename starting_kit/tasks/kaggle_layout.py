"""The competition's folder, as its notebooks see it under /kaggle/input: images, three tables, an original model.

`retain.csv`, `forget.csv` and `validation.csv` list `image_id,age_group,age,person_id`; the image `<person>-<number>` lies in
`images/<person>/<number>.png`; `original_model.pth` holds the weights of torchvision's ResNet-18; `age_class_weights.json` has
the number of training examples of each class. Pixels are raw, 0 to 255. The default forget set is the competition's, and
batches have its format. There is no test set, so half of the validation images serve as one. The competition's retrained models
were never published; ours are trained as the organisers' scorer trains them (`casia_surf`).

`python -m starting_kit.kaggle_folder` writes such a folder from any other task.
"""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
from PIL import Image

from starting_kit.errors import InputError
from starting_kit.tasks.casia_surf import TASK as CASIA_SURF
from starting_kit.tasks.data import DataSet, random_splits
from starting_kit.tasks.readers.files import read_pictures
from starting_kit.tasks.task import Task

SEED = 0
PLACES = ("", "kaggle_layout", "neurips-2023-machine-unlearning", "competitions/neurips-2023-machine-unlearning")
TABLES = ("retain", "forget", "validation")


def find_root(folder: Path) -> Path:
    """Where in the folder the tables are.

    Raises:
        InputError: they are not there.
    """
    for place in PLACES:
        if (folder / place / "retain.csv").exists():
            return folder / place
    raise InputError(
        f"{folder} holds no retain.csv, forget.csv, validation.csv and images/; give the competition's folder with --data, or "
        "write one with python -m starting_kit.kaggle_folder."
    )


def of_folder(folder: Path) -> Task:
    """The task that a folder holds.

    Raises:
        InputError: the tables are not there, or the images or class weights cannot be read.
    """
    root = find_root(folder)
    try:
        size = _size(root)
        counts = json.loads((root / "age_class_weights.json").read_text(encoding="utf-8"))
    except (StopIteration, OSError, ValueError) as error:
        raise InputError(f"{root} needs images/<person>/<number>.png and age_class_weights.json ({error}).") from error
    original = root / "original_model.pth"
    return dataclasses.replace(
        TASK,
        image_shape=(3, *size),
        classes=max(len(counts), 1 + max(map(int, counts))),
        original=original if original.exists() else None,
    )


def _size(root: Path) -> tuple[int, int]:
    """Height and width of the images, all of the same size."""
    with Image.open(next((root / "images").glob("*/*.png"))) as picture:
        return picture.height, picture.width


def _read(folder: Path) -> DataSet:
    root = find_root(folder)
    rows = [(table, row) for table in TABLES for row in _read_table(root / f"{table}.csv")]
    paths = [root / "images" / "{}/{}.png".format(*row["image_id"].split("-", 1)) for _, row in rows]
    pictures, readable, remarks = read_pictures(paths, _size(root), "RGB")
    strangers = sorted(set((root / "images").glob("*/*")) - set(paths))
    remarks += [f"{path} is in none of the tables" for path in strangers]
    kept = [rows[i] for i in readable]
    tables = np.array([table for table, _ in kept])
    labels, ages = (np.array([int(row.get(name) or row["age_group"]) for _, row in kept]) for name in ("age_group", "age"))
    _, subjects = np.unique([row["image_id"].split("-", 1)[0] for _, row in kept], return_inverse=True)
    training = np.random.default_rng(SEED).permutation(np.flatnonzero(tables != "validation"))
    held_out = np.flatnonzero(tables == "validation")
    validation, test = (held_out[part] for part in random_splits(len(held_out), (len(held_out) // 2,), SEED))
    return DataSet(
        pictures,
        labels,
        training,
        validation,
        test,
        subjects=subjects,
        forget=np.flatnonzero(tables == "forget"),
        ages=ages,
        remarks=tuple(remarks),
    )


def _read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table.

    Raises:
        InputError: the file cannot be read, or a row lacks an image id or an age group.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}).") from error
    for number, row in enumerate(rows, start=2):
        if "-" not in row.get("image_id", "") or not (row.get("age_group") or "").isdigit():
            raise InputError(f"{path}, line {number}: needs image_id, <person>-<number>, and age_group, a number.")
    return rows


TASK = dataclasses.replace(
    CASIA_SURF,
    name="kaggle_layout",
    version=1,
    summary="a folder laid out as the competition's, with an original model",
    read=_read,
    needs="retain.csv, forget.csv, validation.csv, images/, age_class_weights.json, original_model.pth",
    marker_globs=tuple(f"{place}/retain.csv".lstrip("/") for place in PLACES),
    open_globs=tuple(f"{place}/age_class_weights.json".lstrip("/") for place in PLACES),
    seed=SEED,
    forget="own",
)
