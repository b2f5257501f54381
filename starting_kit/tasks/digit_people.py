"""A task shaped like the competition's, embedded: made-up people with ten pictures each, eight of whom are to be forgotten.

In the competition faces were to be sorted by age, the test pictures showed the people of the training pictures, and 2 % of
these, all pictures of fifteen people of two classes, were to be forgotten. Here a person is one of scikit-learn's digits, and
their pictures are that digit moved, turned, lit and blurred a little differently. The class of half of the people is their
digit; that of the others is drawn at random, so that it can be known of nobody but by remembering them, as ages are.
`docs/tasks.md` has the facts that were to be matched, and how far they are.
"""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from starting_kit.tasks.data import DataSet, Ids
from starting_kit.tasks.digits import TASK as DIGITS
from starting_kit.tasks.digits import load_digits
from starting_kit.tasks.task import Engine, Recipe

SEED = 0
PEOPLE, FORGOTTEN = 375, 8
TRAINING_PICTURES = 8  # of each person; one more is for validation and one for testing
SHARES = np.geomspace(30, 2, DIGITS.classes)  # of the classes, before they are scaled to 1: from 27 to 2 %
FORGOTTEN_CLASSES = (0, 1)
REMEMBERED = 0.5  # share of the people whose class is drawn at random
MOVED, TURNED, LIT, BLURRED, NOISE = 0.2, 4.0, 0.05, 0.4, 0.3  # pixels, degrees, share, pixels and grey values

Floats = NDArray[np.float64]


def _read(folder: Path) -> DataSet:
    random, (digits, shown) = np.random.default_rng(SEED), load_digits()
    faces, labels = _people(shown, random)
    pictures = TRAINING_PICTURES + 2
    people = np.repeat(np.arange(PEOPLE), pictures)
    images = np.stack([_picture(digits[faces[person]].astype(np.float64), random) for person in people])
    ids = random.permutation(len(people))
    number = np.tile(np.arange(pictures), PEOPLE)[ids]
    training, validation, test = ids[number < TRAINING_PICTURES], ids[number == TRAINING_PICTURES], ids[number == pictures - 1]
    return DataSet(images[:, None].astype(np.float32), labels[people], training, validation, test, subjects=people)


def _people(targets: Ids, random: np.random.Generator) -> tuple[Ids, Ids]:
    """Which digit each person is, and their class, [people] each; those to be forgotten come first.

    Args:
        targets: what each digit shows, [digits].
        random: decides.
    """
    labels = np.repeat(
        np.arange(len(SHARES)), np.diff(np.round(np.cumsum([0, *SHARES]) / SHARES.sum() * PEOPLE).astype(np.int64))
    )
    faces = np.full(PEOPLE, -1)
    for label in range(len(SHARES)):
        of_class = np.flatnonzero(labels == label)
        shown = of_class[: round(len(of_class) * (1 - REMEMBERED))]
        faces[shown] = random.choice(np.flatnonzero(targets == label), len(shown), replace=False)
    others = np.setdiff1d(np.arange(len(targets)), faces)
    faces[faces < 0] = random.choice(others, np.count_nonzero(faces < 0), replace=False)
    order = random.permutation(PEOPLE)
    first = order[np.isin(labels[order], FORGOTTEN_CLASSES)][:FORGOTTEN]
    order = np.concatenate([first, order[~np.isin(order, first)]])
    return faces[order], labels[order]


def _picture(face: Floats, random: np.random.Generator) -> Floats:
    """A picture of a person: their digit seen a little differently, in whole grey values of a sixteenth, [8, 8].

    They are rounded so that all machines have the same.
    """
    from scipy import ndimage

    angle = np.deg2rad(random.normal(scale=TURNED))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (np.array(face.shape) - 1) / 2
    seen = ndimage.affine_transform(face, turn, centre - turn @ centre + random.normal(scale=MOVED, size=2), order=1)
    seen = ndimage.gaussian_filter(seen, BLURRED * random.random()) * (1 + LIT * random.normal())
    picture: Floats = np.round(np.clip(seen + NOISE * random.normal(size=face.shape), *DIGITS.pixel_range) * 16) / 16
    return picture


TASK = dataclasses.replace(
    DIGITS,
    name="digit_people",
    version=1,
    summary="375 made-up people, 10 pictures of 8x8 pixels each; eight people are to be forgotten (not calibrated yet)",
    read=_read,
    seed=SEED,
    forget=f"subject:{FORGOTTEN}",
    network="resnet18:16",
    recipe=Recipe(
        epochs=30, batch_size=8, peak_learning_rate=3e-3, momentum=0, weight_decay=5e-3, kind="adam", class_weights=True
    ),
    loader_batch_size=8,
    engine=Engine("grouped", members=16),
    originals=16,
)
