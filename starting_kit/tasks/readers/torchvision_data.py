"""Data sets with an official test set, through torchvision: read from their folder, or else downloaded.

The training set is the official one. The official test set is cut in halves as the competition's CIFAR-10 kit cuts it:
`torch.utils.data.random_split` with seed 42, the first half for testing, the second for validation.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starting_kit.errors import InputError, first_line
from starting_kit.tasks.data import DataSet
from starting_kit.tasks.readers.files import read_idx

Part = tuple[NDArray[np.uint8], NDArray[np.int64]]  # images [examples, channels, height, width], labels [examples]

HELD_OUT_SEED = 42
IDX_FILES = tuple((f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte") for part in ("train", "t10k"))


def data_set(training: Part, held_out: Part, seed: int) -> DataSet:
    """The official training set, and the official test set in halves.

    Args:
        training: the official training set.
        held_out: the official test set.
        seed: of the order of the training set.
    """
    import torch

    sizes = len(training[1]), len(held_out[1])
    order = torch.randperm(sizes[1], generator=torch.Generator().manual_seed(HELD_OUT_SEED)).numpy() + sizes[0]
    test, validation = np.split(order, [sizes[1] // 2])
    images, labels = np.concatenate([training[0], held_out[0]]), np.concatenate([training[1], held_out[1]])
    return DataSet(images, labels.astype(np.int64), np.random.default_rng(seed).permutation(sizes[0]), validation, test)


def fetch(folder: Path, class_name: str, **options: Any) -> Any:
    """A torchvision data set, from the folder or, if it is not there, from the network.

    Raises:
        InputError: it can be had from neither.
    """
    from torchvision import datasets

    create: Callable[..., Any] = getattr(datasets, class_name)
    try:
        return create(folder, **options)
    except (RuntimeError, OSError):  # missing or incomplete
        try:
            return create(folder, download=True, **options)
        except (RuntimeError, OSError) as error:
            given = "".join(f", {name}={value!r}" for name, value in options.items())
            raise InputError(
                f"{class_name} is not in {folder}, and cannot be fetched ({first_line(error).rstrip(':.')}). "
                "Give the folder that holds it with --data, or, where there is a network, run "
                f"python -c \"from torchvision.datasets import {class_name}; {class_name}('{folder}'{given}, download=True)\"."
            ) from error


def idx_data(folder: Path, name: str, class_name: str) -> tuple[Part, Part]:
    """Training and test set of MNIST, or of a data set published in its format; images are [examples, 1, 28, 28].

    Args:
        folder: holds the four files under `name/`, or under `class_name/raw/` as torchvision leaves them.
        name: of the task.
        class_name: torchvision's.

    Raises:
        InputError: the files are missing and cannot be fetched, or are damaged.
    """
    places = folder / name, folder / class_name / "raw"
    if not any(_is_complete(place) for place in places):
        fetch(folder, class_name)
    place = next(place for place in places if _is_complete(place))
    training, held_out = ([read_idx(_plain_or_compressed(place / file)) for file in files] for files in IDX_FILES)
    return (training[0][:, None], training[1].astype(np.int64)), (held_out[0][:, None], held_out[1].astype(np.int64))


def _is_complete(place: Path) -> bool:
    return all(_plain_or_compressed(place / file).exists() for files in IDX_FILES for file in files)


def _plain_or_compressed(path: Path) -> Path:
    return path if path.exists() else path.with_name(f"{path.name}.gz")
