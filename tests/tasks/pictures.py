"""Small picture folders, drawn by the tests, and the odd files that such folders have."""

import numpy as np
from PIL import Image


def draw(path, seed, size=(40, 30)):
    """A JPEG of coloured patches, different for every seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    patches = np.random.default_rng(seed).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    Image.fromarray(patches).resize(size, Image.Resampling.NEAREST).save(path, "JPEG")


def truncate(path):
    """What an interrupted download leaves."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def remark_on(path, remarks):
    """The one remark that names a path."""
    (found,) = [remark for remark in remarks if str(path) in remark]
    return found


def assert_complete(data):
    """Every example is in one split, and training examples are not held out."""
    parts = [data.training, data.validation, data.test]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(data.labels)))
