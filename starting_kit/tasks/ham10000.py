"""HAM10000: 10,015 pictures of 7,470 skin lesions, 224x224 pixels, 7 diagnoses; lesions are forgotten, not pictures.

The layout is that of the Kaggle data set: `HAM10000_metadata.csv` and two folders of pictures (Tschandl, Rosendahl and Kittler
2018, https://doi.org/10.1038/sdata.2018.161; CC BY-NC 4.0). A lesion may be in several pictures, so the splits are by lesion.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from starting_kit.errors import InputError
from starting_kit.tasks.data import DataSet
from starting_kit.tasks.readers.files import jpegs_in, read_pictures, split_by
from starting_kit.tasks.task import ONE_AT_A_TIME, Recipe, Task

SEED = 0
DIAGNOSES = ("akiec", "bcc", "bkl", "df", "nv", "vasc", "mel")  # numbered as in the data set's own tables of pixels
SHARES = (0.7, 0.1)  # of the lesions, for training and validation
FOLDERS = ("HAM10000_images_part_1", "HAM10000_images_part_2")
SIZE = (224, 224)


def read_metadata(path: Path) -> tuple[list[str], NDArray[np.int64], NDArray[np.str_], list[str]]:
    """Name, diagnosis and lesion of each picture, and a remark on each row that cannot be used.

    Raises:
        InputError: there is no such file.
    """
    if not path.exists():
        raise InputError(f"{path} is missing; give the folder that holds {path.parent.name}/{path.name} with --data.")
    names, labels, lesions, remarks = [], [], [], []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            if row.get("dx") not in DIAGNOSES or not row.get("lesion_id") or not row.get("image_id"):
                remarks.append(f"{path}, line {number}: no picture, lesion, or known diagnosis")
                continue
            names.append(row["image_id"])
            labels.append(DIAGNOSES.index(row["dx"]))
            lesions.append(row["lesion_id"])
    return names, np.array(labels, np.int64), np.array(lesions), remarks


def by_lesion(
    images: NDArray[np.uint8], labels: NDArray[np.int64], lesions: NDArray[np.str_], remarks: Sequence[str]
) -> DataSet:
    """Split so that all pictures of a lesion are in the same part."""
    training, validation, test = split_by(lesions, SHARES, SEED)
    _, numbers = np.unique(lesions, return_inverse=True)
    shuffled = np.random.default_rng(SEED).permutation(numbers.max() + 1)
    return DataSet(images, labels, training, validation, test, subjects=shuffled[numbers], remarks=tuple(remarks))


def _read(folder: Path) -> DataSet:
    root = folder / "ham10000"
    names, labels, lesions, remarks = read_metadata(root / "HAM10000_metadata.csv")
    files: dict[str, Path] = {}
    for part in FOLDERS:
        paths, strangers = jpegs_in(root / part)
        files |= {path.stem: path for path in paths}
        remarks += strangers
    known = [number for number, name in enumerate(names) if name in files]
    missing = [name for name in names if name not in files]
    remarks += [f"{root}: {name}.jpg is in the table but in neither folder" for name in missing]
    remarks += [f"{files[name]} is not in the table" for name in sorted(files.keys() - set(names))]
    pictures, readable, unreadable = read_pictures([files[names[i]] for i in known], SIZE, "RGB")
    kept = np.array(known, np.int64)[readable]
    if not len(kept):
        raise InputError(f"{root} holds none of the pictures of its table; they belong in {' and '.join(FOLDERS)}.")
    return by_lesion(pictures, labels[kept], lesions[kept], [*remarks, *unreadable])


TASK = Task(
    name="ham10000",
    version=1,
    summary="10,015 pictures of skin lesions, 224x224 pixels, 7 diagnoses; 400 lesions are to be forgotten",
    read=_read,
    needs="ham10000/ with HAM10000_metadata.csv, HAM10000_images_part_1/ and HAM10000_images_part_2/",
    marker_globs=("ham10000/HAM10000_metadata.csv",),
    seed=SEED,
    forget="subject:400",
    image_shape=(3, *SIZE),
    classes=len(DIAGNOSES),
    pixel_mean=(127.5,) * 3,
    pixel_std=(127.5,) * 3,
    network="resnet18",
    recipe=Recipe(epochs=10, batch_size=32, peak_learning_rate=0.01, momentum=0.9, weight_decay=5e-4),
    loader_batch_size=32,
    engine=ONE_AT_A_TIME,
    unlearned_at_once=1,
    originals=16,  # of 43 MB each
)
