# %% [markdown]
# # TITLE
#
# A submission to the NeurIPS 2023 Machine Unlearning challenge: the solution, then 512 runs of it, then `submission.zip`.
# Written by `submit.py`; `submit.py --check` shows that this notebook gives the weights that `score.py` scores.

# %%
import csv
import hashlib
import os
import random
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.io import read_image
from torchvision.models import resnet18

COMPETITION = "neurips-2023-machine-unlearning"
FINGERPRINT = ""  # put in when this is pushed; by it `submit.py` knows the output of this version
KAGGLE = Path(os.environ.get("UNLEARNING_KAGGLE", "/kaggle"))  # elsewhere where this notebook is tried
MODELS = int(os.environ.get("UNLEARNING_MODELS", "512"))
SETTINGS = {}  # hyper-parameters that differ from the defaults
BATCHES = "dict"  # what the solution reads: "dict" or "tuple"
MOVE_BATCHES = False  # whether loaders bring their batches to the network's device; the competition's leave them on the CPU
SEED = 0  # every run's seed derives from it
HALF = False  # float16 checkpoints take half the space
HOURS = 8.0  # the limit of the whole notebook

BATCH_SIZE = 64
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
STARTED = time.monotonic()
print("fingerprint:", FINGERPRINT, flush=True)
Path("fingerprint.txt").write_text(FINGERPRINT)

places = [KAGGLE / "input" / COMPETITION, KAGGLE / "input" / "competitions" / COMPETITION]
if not any(place.is_dir() for place in places):
    raise RuntimeError(f"The competition's data are in none of {', '.join(map(str, places))}; add them to the notebook.")
INPUT = next(place for place in places if place.is_dir())

# %% [markdown]
# ## The solution

# %% SOLUTION

# %% [markdown]
# ## The competition's data


# %%
class Faces(Dataset):
    """The images of a table, in memory."""

    def __init__(self, table):
        with open(INPUT / f"{table}.csv", newline="") as file:
            self.rows = [{**row, "age_group": int(row["age_group"]), "age": int(row["age"])} for row in csv.DictReader(file)]
        parts = [row["image_id"].split("-", 1) for row in self.rows]
        self.images = [read_image(str(INPUT / "images" / person / f"{number}.png")) for person, number in parts]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        row, image = self.rows[index], self.images[index].to(torch.float32)
        if BATCHES == "tuple":
            return image, row["age_group"]
        return {"image": image, **{name: row[name] for name in ("image_id", "age_group", "age", "person_id")}}


def moved(value):
    if isinstance(value, dict):
        return {name: moved(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [moved(part) for part in value]
    return value.to(DEVICE) if isinstance(value, torch.Tensor) else value


class MovingLoader(DataLoader):
    """Its batches lie where the network does."""

    def __iter__(self):
        return map(moved, super().__iter__())


def loaders():
    kind = MovingLoader if MOVE_BATCHES else DataLoader
    return [kind(faces, batch_size=BATCH_SIZE, shuffle=True) for faces in (retain, forget, validation)]


# %% [markdown]
# ## What is saved: a checkpoint that the competition's scorer can load

# %% starting_kit/unwrapping.py

# %% starting_kit/kaggle/checkpoints.py


# %%
def save(net, path):
    bare = unwrapped(net)
    if bare is not net and path.name == "unlearned_checkpoint_0.pth":
        print(f"note: saved is the network inside {type(net).__name__}")
    state = bare.state_dict()
    try:
        loaded(state, len(original["fc.bias"]))
    except ValueError as error:
        raise RuntimeError(f"{path.name}: the network {error}.") from None
    state = {name: tensor.detach().cpu() for name, tensor in state.items()}
    if not all(torch.isfinite(tensor).all() for tensor in state.values()):
        raise RuntimeError(f"{path.name}: weights are NaN or infinite.")
    if HALF:
        state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    torch.save(state, path)


# %% [markdown]
# ## 512 runs, each with its own seed and from the original model


# %%
def model_seed(model):
    """As score.py seeds the unlearned models of its task `kaggle_layout`."""
    text = f"kaggle_layout v1 unlearned {SEED} {model}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def unlearned_model(model):
    net = resnet18(weights=None, num_classes=len(original["fc.bias"]))
    net.load_state_dict(original)
    net.to(DEVICE).eval()  # as score.py gives it
    seed = model_seed(model)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
    returned = unlearning(net, *loaders(), **SETTINGS)
    return net if returned is None else returned


def stop_if_late(models):
    passed = (time.monotonic() - STARTED) / 3600
    if passed / models * MODELS > HOURS:
        raise RuntimeError(
            f"{models} models took {passed:.2f} hours, so {MODELS} would take {passed / models * MODELS:.1f}, "
            f"and the limit is {HOURS:g}: stopped, nothing is submitted."
        )


# %%
checkpoints = KAGGLE / "tmp"  # not the working directory, which would run out of space
if (INPUT / "empty.txt").exists():
    Path("submission.zip").touch()  # the mock run; the real one sees the hidden data
    print("mock run: an empty submission.zip")
else:
    checkpoints.mkdir(parents=True, exist_ok=True)
    original = torch.load(INPUT / "original_model.pth", map_location="cpu", weights_only=True)
    retain, forget, validation = (Faces(table) for table in ("retain", "forget", "validation"))
    for model in range(MODELS):
        save(unlearned_model(model), checkpoints / f"unlearned_checkpoint_{model}.pth")
        stop_if_late(model + 1)
        if model % 32 == 31 or model == MODELS - 1:
            print(f"{model + 1} of {MODELS} models, {(time.monotonic() - STARTED) / 60:.1f} minutes", flush=True)

    found = sorted(checkpoints.glob("*.pth"))
    if len(found) != MODELS:
        raise RuntimeError(f"{checkpoints} holds {len(found)} checkpoints instead of {MODELS}; nothing is submitted.")
    with zipfile.ZipFile("submission.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in found:
            archive.write(path, path.name)
    print(f"submission.zip: {len(found)} checkpoints")
