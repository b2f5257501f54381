"""Write any task as a folder laid out like the competition's, so that notebooks made for it can be tried.

Images become RGB pictures, the forget set and the validation images are the task's, and the original model is a torchvision
ResNet-18, trained on the folder's training data as the organisers' scorer trains. The competition's images were 32x32 faces.

    python -m starting_kit.kaggle.competition_folder --task digits --out kaggle
    python evaluation/score.py --task kaggle_layout --data kaggle --solution finetune

Exit codes: 0 done; 1 the folder cannot be written; 2 the command line or an input file is wrong; 130 interrupted.
"""

import argparse
import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console

from starting_kit import tasks
from starting_kit.errors import InputError
from starting_kit.tasks.data import Data, Ids, Pixels
from starting_kit.tasks.task import ONE_AT_A_TIME
from starting_kit.training import train

COLUMNS = ("image_id", "age_group", "age", "person_id")


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--task", default="digits", help="whose data are written (default: %(default)s)")
    add("--data", type=Path, default=Path(os.environ.get("UNLEARNING_DATA") or "data"), help="where its data lie")
    add("--forget", help="what is to be forgotten (default: the task's)")
    add("--epochs", type=int, help="epochs of the original model (default: 30)")
    add("--seed", type=int, default=0, help="of the original model (default: %(default)s)")
    add("--out", type=Path, required=True, help="the folder, which must be empty or not exist")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        with console.status(f"Writing the images of {options.task}"):
            write(tasks.find(options.task, options.data, options.forget).load(), options.out)
        with console.status("Training the original model, which takes minutes"):
            write_original(options.out, options.epochs, options.seed)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {options.out} cannot be written ({error}); remove it and write it again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; remove {options.out} and write it again.", file=sys.stderr)
        return 130
    print(f"written: {options.out}")
    return 0


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


if __name__ == "__main__":
    sys.exit(main())
