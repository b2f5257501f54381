"""The default task: 1,797 real handwritten digits, 8x8 pixels, embedded in scikit-learn.

The training set is small on purpose: a network trained on a thousand images hardly depends on the forget set, and then there is
nothing to forget. `docs/tasks.md` has the numbers.
"""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from starting_kit.tasks.data import DataSet, random_splits
from starting_kit.tasks.task import Engine, Recipe, Task

SEED = 0
FILE = "datasets/data/digits.csv.gz"  # in scikit-learn's folder


def _read(folder: Path) -> DataSet:
    images, labels = load_digits()
    images = images.reshape(-1, 1, 8, 8)  # [:, None] would look like channels last to torch
    training, validation, test = random_splits(len(images), (450, 347), SEED)
    return DataSet(images, labels, training, validation, test)


def load_digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images [1797, 8, 8] and labels [1797] as `sklearn.datasets.load_digits` gives them.

    They are read from its file, because that package takes a second to import, in every worker.
    """
    package = find_spec("sklearn")
    file = Path((package and package.origin) or "").parent / FILE
    if not file.exists():  # where a version of scikit-learn keeps it elsewhere
        from sklearn import datasets

        digits = datasets.load_digits()
        return digits.images.astype(np.float32), digits.target.astype(np.int64)
    with gzip.open(file) as content:
        table = np.loadtxt(content, delimiter=",")
    return table[:, :-1].reshape(-1, 8, 8).astype(np.float32), table[:, -1].astype(np.int64)


TASK = Task(
    name="digits",
    version=2,
    summary="scikit-learn's 8x8 handwritten digits; 90 of 450 training images are to be forgotten",
    read=_read,
    needs="",
    marker_globs=(),
    seed=SEED,
    forget="random:0.2",
    image_shape=(1, 8, 8),
    classes=10,
    pixel_mean=(4.884,),
    pixel_std=(6.017,),
    network="cnn-8-16-16",
    recipe=Recipe(epochs=20, batch_size=12, peak_learning_rate=0.1, momentum=0.9, weight_decay=5e-3),
    loader_batch_size=64,
    engine=Engine("grouped", members=32),
    unlearned_at_once=16,
    pixel_range=(0.0, 16.0),
)
