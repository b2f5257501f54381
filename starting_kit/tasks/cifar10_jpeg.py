"""CIFAR-10 from pictures stored as JPEG of quality 75, for places where the original is not available.

The compression is lossy, so numbers are not comparable with those of CIFAR-10. One file, `cifar10_jpeg/cifar10_jpeg_pack.npz`,
holds all 60,000 pictures and labels in the official order: one shared JPEG header and, for each of `train` and `test`, the
concatenated scans, their lengths, and the labels. Picture i is header + scan i + the end marker FF D9.
"""

import dataclasses
import io
from pathlib import Path

import numpy as np
from PIL import Image

from starting_kit.errors import InputError
from starting_kit.tasks.cifar10 import SEED
from starting_kit.tasks.cifar10 import TASK as CIFAR10
from starting_kit.tasks.data import DataSet
from starting_kit.tasks.readers.files import remember, stamp
from starting_kit.tasks.readers.torchvision_data import Part, data_set

END_OF_IMAGE = b"\xff\xd9"


def _read(folder: Path) -> DataSet:
    path = folder / "cifar10_jpeg" / "cifar10_jpeg_pack.npz"
    if not path.exists():
        raise InputError(f"{path} is missing; give the folder that holds cifar10_jpeg/cifar10_jpeg_pack.npz with --data.")
    unpack = remember(_unpack)
    return data_set(unpack(path, "train", stamp(path)), unpack(path, "test", stamp(path)), SEED)


def _unpack(path: Path, part: str, stamp: tuple[int, int]) -> Part:
    pack = np.load(path)
    header, scans, lengths, labels = (pack[name] for name in ("header", f"{part}_scans", f"{part}_lengths", f"{part}_labels"))
    ends = np.cumsum(lengths)
    pictures = np.empty((len(labels), *CIFAR10.image_shape), np.uint8)
    for i, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        file = header.tobytes() + scans[end - length : end].tobytes() + END_OF_IMAGE
        with Image.open(io.BytesIO(file)) as picture:
            pictures[i] = np.asarray(picture).transpose(2, 0, 1)
    return pictures, labels.astype(np.int64)


TASK = dataclasses.replace(
    CIFAR10,
    name="cifar10_jpeg",
    summary="CIFAR-10 with JPEG artefacts (quality 75), 32x32 pixels; 5,000 of 50,000 training images are to be forgotten",
    read=_read,
    needs="cifar10_jpeg/cifar10_jpeg_pack.npz",
    marker_globs=("cifar10_jpeg/cifar10_jpeg_pack.npz",),
)
