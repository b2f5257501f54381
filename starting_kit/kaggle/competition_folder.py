"""Any task as a folder laid out like the competition's."""

import csv
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from starting_kit import tasks
from starting_kit.errors import InputError
from starting_kit.tasks.data import Data, Ids, Pixels
from starting_kit.tasks.task import ONE_AT_A_TIME
from starting_kit.training import train

COLUMNS = ("image_id", "age_group", "age", "person_id")


def write(data: Data, folder: Path) -> None:
    """Write images, tables and numbers of examples.

    Raises:
        InputError: the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; give another folder with --out.")
    images = as_pictures(data.images)
    for split in ("retain", "forget", "validation"):
        ids = getattr(data, split)
        _write_table(folder / f"{split}.csv", data, ids)
        for example in ids:
            path = folder / "images" / str(data.people[example]) / f"{data.pictures[example]}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[example]).save(path)
    counts = np.bincount(data.labels[data.training])
    (folder / "age_class_weights.json").write_text(json.dumps({str(label): int(n) for label, n in enumerate(counts)}))


def as_pictures(images: Pixels) -> Pixels:
    """Images [examples, height, width, 3] in bytes: one channel becomes three, numbers are stretched to 0 to 255."""
    if images.dtype != np.uint8:
        images = ((images - images.min()) / (images.max() - images.min()) * 255).round().astype(np.uint8)
    if images.shape[1] == 1:
        images = images.repeat(3, axis=1)
    return images.transpose(0, 2, 3, 1)


def _write_table(path: Path, data: Data, ids: Ids) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ages = data.labels if data.ages is None else data.ages
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for example in ids:
            person = data.people[example]
            table.writerow([f"{person}-{data.pictures[example]}", data.labels[example], ages[example], person])


def write_original(folder: Path, epochs: int | None, seed: int) -> None:
    """Train the original model on a folder's training data, and write its weights."""
    task = tasks.find("kaggle_layout", folder, epochs=epochs)
    data = task.load()
    (net,) = train(task, data, data.training, [seed], ONE_AT_A_TIME)
    torch.save(net.state_dict(), folder / "original_model.pth")
