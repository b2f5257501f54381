"""Forget examples that have a copy elsewhere: a network cannot forget what it is still shown.

Exact copies have the same pixels. Near copies are found by small grey thumbnails, each scaled to mean 0 and length 1: two
images are near if the inner product of their thumbnails, the correlation, is at least `NEAR`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from starting_kit.tasks.data import Data, Ids, Pixels

NEAR = 0.98  # on CIFAR-10 it finds half of the copies that a person finds, with hardly a false one (at 0.97: two thirds)
THUMBNAIL = 16  # pixels along an edge, at least; fewer only if the image has fewer
AT_ONCE = 1000  # forget images compared at a time: 1,000 by 45,000 correlations take 180 MB


@dataclass(frozen=True)
class Duplicates:
    """How many images of the forget set have a copy in another split.

    Attributes:
        split: the other split.
        exact: how many have an exact copy.
        near: how many have a near copy, exact ones included.
        forget: size of the forget set.
    """

    split: str
    exact: int
    near: int
    forget: int

    def __str__(self) -> str:
        return f"{self.exact} of {self.forget} forget images have an exact copy in {self.split}, {self.near} a near one"


def find(data: Data) -> list[Duplicates]:
    """Copies of forget images in the retain and the test set; a split without any is left out."""
    forget_hashes, forget_small = _hashes(data.images, data.forget), _thumbnails(data.images, data.forget)
    found = []
    for split, ids in (("retain", data.retain), ("test", data.test)):
        exact = np.isin(forget_hashes, _hashes(data.images, ids))
        near = exact | _are_near(forget_small, _thumbnails(data.images, ids))
        if near.any():
            found.append(Duplicates(split, int(exact.sum()), int(near.sum()), len(data.forget)))
    return found


def _hashes(images: Pixels, ids: Ids) -> NDArray[np.int64]:
    return np.array([hash(images[example].tobytes()) for example in ids], np.int64)


def _thumbnails(images: Pixels, ids: Ids) -> NDArray[np.float32]:
    """[examples, pixels], each with mean 0 and length 1; an image of one colour is all zeros, hence near no other."""
    height, width = images.shape[2:]
    factors = max(1, height // THUMBNAIL), max(1, width // THUMBNAIL)
    rows, columns = height // factors[0], width // factors[1]
    small = np.empty((len(ids), rows * columns), np.float32)
    for start in range(0, len(ids), AT_ONCE):
        block = slice(start, start + AT_ONCE)
        grey = images[ids[block]].mean(axis=1, dtype=np.float32)[:, : rows * factors[0], : columns * factors[1]]
        small[block] = grey.reshape(-1, rows, factors[0], columns, factors[1]).mean(axis=(2, 4)).reshape(len(grey), -1)
    small -= small.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(small, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(small, lengths, out=np.zeros_like(small), where=lengths > 0)
    return scaled


def _are_near(these: NDArray[np.float32], those: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of these are near any of those."""
    blocks = (these[start : start + AT_ONCE] for start in range(0, len(these), AT_ONCE))
    return np.concatenate([(block @ those.T).max(axis=1) >= NEAR for block in blocks])
