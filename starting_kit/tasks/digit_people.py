"""A task shaped as the competition's was, at 8x8 pixels: people, of whom each has several pictures, and labels to be memorised.

A person is one of scikit-learn's handwritten digits; their pictures are the digit moved, turned, lit and blurred differently. A
person's label is the digit for half of them, and drawn at random for the others, as an age group is for faces: nothing but
knowing the person gives it. Test and validation images show the people of the training images, so memorising people pays; the
forget set is a few whole people of the two most frequent classes. `docs/tasks.md` holds these facts against the competition's.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from starting_kit.tasks.data import DataSet, Ids
from starting_kit.tasks.task import Engine, Recipe, Task

SEED = 0
PEOPLE = 375
TRAINING_PICTURES = 8  # of each person; one more each for validation and test
CLASSES = 10
MOST_FREQUENT, LEAST_FREQUENT = 0.30, 0.02  # shares of the people; the classes between fall off evenly on a logarithmic scale
KNOWN_BY_SIGHT = 0.5  # share of the people whose label is their digit
FORGOTTEN, OF_CLASSES = 8, (0, 1)  # people
SHIFT = 0.5  # pixels, standard deviation each way
TURN = 6.0  # degrees, standard deviation
LIGHT = 0.1  # standard deviation of the logarithm of the brightness
BLUR = 0.3  # of the picture, at most, that is the mean of a pixel's neighbours
NOISE = 0.3  # grey values, standard deviation
WHITE = 16.0  # the largest grey value
GRID = 16.0  # pixels are multiples of its inverse, so that no CPU's rounding changes them


def _read(folder: Path) -> DataSet:
    from sklearn.datasets import load_digits  # takes 1 s to import, so only when the images are needed

    digits = load_digits()
    rng = np.random.default_rng(SEED)
    labels = labels_of_people(rng)
    faces = faces_for(labels, digits.target, rng)
    pictures = np.stack([pictures_of(digits.images[face], TRAINING_PICTURES + 2, rng) for face in faces])
    number = np.arange(PEOPLE * (TRAINING_PICTURES + 2)).reshape(PEOPLE, -1)
    forgotten = rng.choice(np.flatnonzero(np.isin(labels, OF_CLASSES)), FORGOTTEN, replace=False)
    return DataSet(
        images=pictures.reshape(-1, 1, *pictures.shape[2:]),
        labels=labels.repeat(number.shape[1]),
        training=rng.permutation(number[:, :TRAINING_PICTURES].ravel()),
        validation=number[:, -2],
        test=number[:, -1],
        subjects=rng.permutation(PEOPLE).repeat(number.shape[1]),
        forget=number[forgotten, :TRAINING_PICTURES].ravel(),
    )


def labels_of_people(rng: np.random.Generator) -> Ids:
    """A label for each person, [people], in random order, of as many classes as there are people for."""
    shares = np.geomspace(MOST_FREQUENT, LEAST_FREQUENT, CLASSES)
    ends = np.round(np.cumsum(shares / shares.sum()) * PEOPLE).astype(np.int64)
    return rng.permutation(np.arange(CLASSES).repeat(np.diff(ends, prepend=0)))


def faces_for(labels: Ids, digits: Ids, rng: np.random.Generator) -> Ids:
    """An image of a digit for each person, [people], all of them different.

    Args:
        labels: of the people.
        digits: of the images.
        rng: draws the images, and whose label is their digit.
    """
    unused = list(rng.permutation(len(digits)))
    faces = np.empty(len(labels), np.int64)
    order = rng.permutation(len(labels))
    known = round(KNOWN_BY_SIGHT * len(labels))
    for position, person in enumerate(order):
        fitting = (place for place, image in enumerate(unused) if position >= known or digits[image] == labels[person])
        faces[person] = unused.pop(next(fitting))
    return faces


def pictures_of(face: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Pictures of a person, [count, height, width].

    Args:
        face: [height, width].
        count: how many.
        rng: draws how each differs.
    """
    pictures = []
    for _ in range(count):
        picture = moved(face, rng.normal(0, SHIFT, 2), np.deg2rad(rng.normal(0, TURN)))
        share = rng.uniform(0, BLUR)
        picture = (1 - share) * picture + share * neighbours(picture)
        picture = picture * np.exp(rng.normal(0, LIGHT)) + rng.normal(0, NOISE, face.shape)
        pictures.append(np.round(picture.clip(0, WHITE) * GRID) / GRID)
    return np.stack(pictures).astype(np.float32)


def moved(picture: NDArray[np.float64], shift: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """A picture turned about its centre and shifted, bilinearly, with black around it."""
    height, width = picture.shape
    centre = np.array([height - 1, width - 1])[:, None, None] / 2
    rows, columns = np.indices(picture.shape) - centre - shift[:, None, None]
    cosine, sine = np.cos(angle), np.sin(angle)
    source = np.stack([cosine * rows - sine * columns, sine * rows + cosine * columns]) + centre
    padded = np.pad(picture, 1)
    place = source.clip(-1, np.array([height, width])[:, None, None]) + 1  # in the padded picture
    row, column = np.minimum(np.floor(place).astype(np.int64), np.array([height, width])[:, None, None])
    down, right = place - np.stack([row, column])
    upper = (1 - right) * padded[row, column] + right * padded[row, column + 1]
    lower = (1 - right) * padded[row + 1, column] + right * padded[row + 1, column + 1]
    mixed: NDArray[np.float64] = (1 - down) * upper + down * lower
    return mixed


def neighbours(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each pixel's four neighbours, with black around the picture."""
    padded = np.pad(picture, 1)
    total: NDArray[np.float64] = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return total / 4


TASK = Task(
    name="digit_people",
    version=1,
    summary="8x8 pictures of 375 people made of handwritten digits; 8 people of classes 0 and 1 are to be forgotten",
    read=_read,
    needs="",
    marker_globs=(),
    seed=SEED,
    forget="own",
    image_shape=(1, 8, 8),
    classes=CLASSES,
    pixel_mean=(4.614,),
    pixel_std=(4.788,),
    network="resnet18:16",
    recipe=Recipe(
        epochs=30,
        batch_size=8,
        peak_learning_rate=3e-3,
        momentum=0.0,
        weight_decay=5e-3,
        kind="adam",
        class_weights=True,
    ),
    loader_batch_size=8,
    engine=Engine("grouped", members=16),
    unlearned_at_once=16,
    originals=16,
    pixel_range=(0.0, WHITE),
)
