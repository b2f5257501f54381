"""The competition's own setting: faces of CASIA-SURF, 32x32 pixels, ten age groups, 15 people to be forgotten.

For those who have the licence (Zhang et al. 2019, https://arxiv.org/abs/1908.10654). Layout, splits, age groups, forget set
and recipe are those of the organisers' scorer (google-deepmind/unlearning_evaluation): `Age_Gender.txt` with a line
`<person> <age> <gender>` for each person, pictures under `WBackground/<part>/<person>/real.rssdk/color/`; ten groups of equal
width from the lowest age to the highest; pictures shuffled with seed 43 and split 80/10/10 %; the 15 people who come first in
alphabetical order are forgotten. Pixels are raw, 0 to 255. Splits are by picture: a person may be in several.
"""

import random
from pathlib import Path

import numpy as np

from starting_kit.errors import InputError
from starting_kit.tasks.data import DataSet
from starting_kit.tasks.readers.files import jpegs_in, read_pictures
from starting_kit.tasks.task import ONE_AT_A_TIME, Recipe, Task

GROUPS = 10
OLDEST = 120  # one mistyped age would stretch all groups
SHUFFLE_SEED = 43
SIZE = (32, 32)


def _read_people(path: Path) -> tuple[dict[str, int], list[str]]:
    """Ages by person, and a remark on each line that cannot be used.

    Raises:
        InputError: there is no such file.
    """
    if not path.exists():
        raise InputError(
            f"{path} is missing; give the folder that holds casia_surf/Age_Gender.txt and WBackground/ with --data."
        )
    ages: dict[str, int] = {}
    remarks = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if len(words) != 3 or not words[1].isdigit() or words[0] in ages:
            remarks.append(f"{path}, line {number}: not <person> <age> <gender> of another person")
            continue
        if not 1 <= int(words[1]) <= OLDEST:
            remarks.append(f"{path}, line {number}: an age of {words[1]} is not from 1 to {OLDEST}")
            continue
        ages[words[0]] = int(words[1])
    return ages, remarks


def _list_pictures(root: Path, age_of: dict[str, int]) -> tuple[list[Path], list[str]]:
    """The pictures of these people, and remarks on people without an age, ages without pictures, and files of other kinds."""
    paths: list[Path] = []
    remarks: list[str] = []
    folders = sorted((root / "WBackground").glob("*/*"))
    for person in folders:
        if person.name in age_of:
            pictures_of_person, strangers = jpegs_in(person / "real.rssdk" / "color")
            paths += pictures_of_person
            remarks += strangers
        else:
            remarks.append(f"{person} is not of a person with an age in Age_Gender.txt")
    missing = age_of.keys() - {person.name for person in folders}
    return paths, [*remarks, *(f"{root}: of person {name} in Age_Gender.txt there are no pictures" for name in sorted(missing))]


def _read(folder: Path) -> DataSet:
    root = folder / "casia_surf"
    age_of, odd_lines = _read_people(root / "Age_Gender.txt")
    paths, remarks = _list_pictures(root, age_of)
    pictures, readable, unreadable = read_pictures(paths, SIZE, "RGB")
    if not readable:
        raise InputError(f"{root / 'WBackground'} holds no pictures of the people in Age_Gender.txt.")
    people = np.array([paths[i].parents[2].name for i in readable])
    years = np.array([age_of[name] for name in people], np.int64)
    edges = np.linspace(min(age_of.values()), max(age_of.values()) + 1, GROUPS + 1)
    order = list(range(len(people)))
    random.Random(SHUFFLE_SEED).shuffle(order)
    training, validation, test = np.split(np.array(order), [int(0.8 * len(order)), int(0.9 * len(order))])
    return DataSet(
        pictures,
        np.digitize(years, edges) - 1,
        training,
        validation,
        test,
        subjects=np.searchsorted(sorted(age_of), people),
        ages=years,
        remarks=(*odd_lines, *remarks, *unreadable),
    )


TASK = Task(
    name="casia_surf",
    version=2,
    summary="the competition's faces, 32x32 pixels, ten groups of ages; 15 people are to be forgotten",
    read=_read,
    needs="casia_surf/ with Age_Gender.txt and WBackground/",
    marker_globs=("casia_surf/Age_Gender.txt",),
    seed=0,
    forget="subject:15",
    image_shape=(3, *SIZE),
    classes=GROUPS,
    pixel_mean=(0.0,) * 3,
    pixel_std=(1.0,) * 3,
    network="resnet18",
    recipe=Recipe(
        epochs=30, batch_size=64, peak_learning_rate=1e-4, momentum=0.9, weight_decay=5e-3, kind="adam", class_weights=True
    ),
    loader_batch_size=64,
    engine=ONE_AT_A_TIME,
    unlearned_at_once=1,
    originals=16,  # of 43 MB each
)
