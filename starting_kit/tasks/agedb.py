"""AgeDB: faces of known people at known ages, in ten age groups; people are forgotten, not pictures.

One folder of files named `<index>_<name>_<age>_<gender>.jpg`, as its authors share it on request (Moschoglou et al. 2017,
https://ibug.doc.ic.ac.uk/resources/agedb). The splits are by person. Age groups: 1 to 10, 11 to 20, and so on up to 91 to 101.
"""

import re
from pathlib import Path

import numpy as np

from starting_kit.errors import InputError
from starting_kit.tasks.data import DataSet
from starting_kit.tasks.readers.files import jpegs_in, read_pictures, split_by
from starting_kit.tasks.task import ONE_AT_A_TIME, Recipe, Task

SEED = 0
NAME = re.compile(r"(?P<index>\d+)_(?P<name>.+)_(?P<age>\d+)_(?P<gender>[mf])\.jpg", re.IGNORECASE)
GROUPS, YEARS, OLDEST = 10, 10, 101
SHARES = (0.7, 0.1)  # of the people, for training and validation
SIZE = (32, 32)


def _read(folder: Path) -> DataSet:
    root = folder / "agedb"
    if not root.is_dir():
        raise InputError(f"{root} is missing; give the folder that holds agedb/ with --data. AgeDB is given out on request.")
    files, remarks = jpegs_in(root)
    paths, people, ages = [], [], []
    for path in files:
        if not (found := NAME.fullmatch(path.name)):
            remarks.append(f"{path} is not named <index>_<name>_<age>_<gender>.jpg")
        elif not 1 <= (age := int(found["age"])) <= OLDEST:
            remarks.append(f"{path}: an age of {age} is not from 1 to {OLDEST}")
        else:
            paths.append(path)
            people.append(found["name"])
            ages.append(age)
    pictures, readable, unreadable = read_pictures(paths, SIZE, "RGB")
    if not readable:
        raise InputError(f"{root} holds no pictures named <index>_<name>_<age>_<gender>.jpg.")
    names, years = np.array(people)[readable], np.array(ages, np.int64)[readable]
    training, validation, test = split_by(names, SHARES, SEED)
    _, numbers = np.unique(names, return_inverse=True)
    subjects = np.random.default_rng(SEED).permutation(numbers.max() + 1)[numbers]
    labels = np.minimum((years - 1) // YEARS, GROUPS - 1)
    return DataSet(pictures, labels, training, validation, test, subjects=subjects, ages=years, remarks=(*remarks, *unreadable))


TASK = Task(
    name="agedb",
    version=2,
    summary="16,488 faces of 568 people, 32x32 pixels, ten groups of ages; 15 people are to be forgotten",
    read=_read,
    needs="agedb/ with files named <index>_<name>_<age>_<gender>.jpg",
    marker_globs=("agedb",),
    seed=SEED,
    forget="subject:15",
    image_shape=(3, *SIZE),
    classes=GROUPS,
    pixel_mean=(127.5,) * 3,
    pixel_std=(127.5,) * 3,
    network="resnet18",
    recipe=Recipe(epochs=30, batch_size=64, peak_learning_rate=0.05, momentum=0.9, weight_decay=5e-4),
    loader_batch_size=64,
    engine=ONE_AT_A_TIME,
    unlearned_at_once=1,
    originals=16,  # of 43 MB each
)
