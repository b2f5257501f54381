"""HAM10000 in 8x8 grey pixels, from the data set's own table `hmnist_8_8_L.csv`: skin lesions for a laptop.

Its rows are in the order of `HAM10000_metadata.csv`, which names the lesion that each picture shows.
"""

import dataclasses
from pathlib import Path

import numpy as np

from starting_kit.errors import InputError
from starting_kit.tasks.data import DataSet
from starting_kit.tasks.ham10000 import TASK as HAM10000
from starting_kit.tasks.ham10000 import by_lesion, read_metadata
from starting_kit.tasks.task import Engine, Recipe

SIZE = (8, 8)


def _read(folder: Path) -> DataSet:
    root = folder / "ham10000_8x8"
    _, labels, lesions, remarks = read_metadata(root / "HAM10000_metadata.csv")
    path = root / "hmnist_8_8_L.csv"
    if not path.exists():
        raise InputError(f"{path} is missing; give the folder that holds ham10000_8x8/{path.name} with --data.")
    try:
        table = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.int64, ndmin=2)
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}.") from error
    pixels, own_labels = table[:, :-1], table[:, -1]
    if pixels.shape != (len(labels), SIZE[0] * SIZE[1]) or (own_labels != labels).any():
        raise InputError(f"{path} and {root / 'HAM10000_metadata.csv'} do not describe the same pictures in the same order.")
    return by_lesion(pixels.astype(np.uint8).reshape(-1, 1, *SIZE), labels, lesions, remarks)


TASK = dataclasses.replace(
    HAM10000,
    name="ham10000_8x8",
    summary="10,015 pictures of skin lesions in 8x8 grey pixels, 7 diagnoses; 400 lesions are to be forgotten",
    read=_read,
    needs="ham10000_8x8/ with HAM10000_metadata.csv and hmnist_8_8_L.csv",
    marker_globs=("ham10000_8x8/hmnist_8_8_L.csv",),
    image_shape=(1, *SIZE),
    pixel_mean=(127.5,),
    pixel_std=(127.5,),
    network="cnn-16-32-32",
    recipe=Recipe(epochs=20, batch_size=64, peak_learning_rate=0.1, momentum=0.9, weight_decay=5e-4),
    loader_batch_size=64,
    engine=Engine("grouped", members=8),
    unlearned_at_once=8,
)
