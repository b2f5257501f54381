"""Reading data sets in the formats in which they are published, and saying in a sentence what is missing."""

import gzip
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import joblib
import numpy as np
from numpy.typing import NDArray

from starting_kit.errors import InputError

Ids = NDArray[np.int64]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An array of bytes in the format of MNIST (`-idx3-ubyte`), compressed or not.

    Raises:
        InputError: the file is damaged.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        dimensions = content[3]
        shape = np.frombuffer(content, ">i4", count=dimensions, offset=4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except (OSError, EOFError, IndexError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); fetch it again.") from error


def read_pictures(paths: Sequence[Path], size: tuple[int, int], mode: str) -> tuple[NDArray[np.uint8], list[int], list[str]]:
    """Picture files, all resized to one size; read once, then found in the user's cache as long as no file changes.

    Args:
        paths: of the files.
        size: height and width to resize pictures to.
        mode: "RGB" or "L".

    Returns:
        The pictures that can be read, [pictures, channels, height, width]; the positions of their paths in `paths`; and a
        remark with its path for each of the others.
    """
    return remember(_decode)([(str(path), stamp(path)) for path in paths], size, mode)


def jpegs_in(folder: Path) -> tuple[list[Path], list[str]]:
    """The JPEG files of a folder, sorted, and a remark on everything else in it."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    pictures = [path for path in found if path.suffix.lower() in (".jpg", ".jpeg")]
    return pictures, [f"{path} is no JPEG picture" for path in found if path not in set(pictures)]


def remember(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function with its results kept in the user's cache directory, arrays ready to be memory-mapped.

    A file should be passed with its `stamp`, so that a changed file is read again.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    cached: Callable[Arguments, Result] = joblib.Memory(root / "unlearning-challenge-kit", mmap_mode="c", verbose=0).cache(
        function
    )
    return cached


def stamp(path: Path) -> tuple[int, int]:
    """Size and modification time of a file, (0, 0) if there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _decode(
    files: Sequence[tuple[str, tuple[int, int]]], size: tuple[int, int], mode: str
) -> tuple[NDArray[np.uint8], list[int], list[str]]:
    from PIL import Image

    pictures: list[NDArray[np.uint8]] = []
    kept: list[int] = []
    remarks: list[str] = []
    for number, (path, _) in enumerate(files):
        try:
            with Image.open(path) as picture:
                resized = picture.convert(mode).resize((size[1], size[0]), Image.Resampling.BILINEAR)
        except (OSError, SyntaxError) as error:  # what Pillow raises for missing, truncated and foreign files
            remarks.append(f"{path} cannot be read ({error})")
            continue
        pixels = np.asarray(resized)
        pictures.append(pixels[None] if mode == "L" else pixels.transpose(2, 0, 1))
        kept.append(number)
    return np.stack(pictures) if pictures else np.empty((0, 0, *size), np.uint8), kept, remarks


def split_by(groups: NDArray[Any], shares: Sequence[float], seed: int) -> list[Ids]:
    """Ids of the examples in random order, cut into parts by group: no group is in two parts.

    Args:
        groups: [examples], the person or lesion that an example shows.
        shares: of the groups, for each part but the last, which takes the rest.
        seed: of the order.
    """
    rng = np.random.default_rng(seed)
    known, group = np.unique(groups, return_inverse=True)
    ends = [round(share * len(known)) for share in np.cumsum(shares)]
    part_of_group = np.empty(len(known), np.int64)
    for part, members in enumerate(np.split(rng.permutation(len(known)), ends)):
        part_of_group[members] = part
    order = rng.permutation(len(groups))
    return [order[part_of_group[group[order]] == part] for part in range(len(shares) + 1)]
