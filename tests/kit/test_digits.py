"""The default task's images."""

import numpy as np
from sklearn import datasets

from starting_kit.tasks import digits


def test_they_are_scikit_learns_wherever_its_file_lies(monkeypatch):
    expected = datasets.load_digits()
    for file in (digits.FILE, "not/there"):
        monkeypatch.setattr(digits, "FILE", file)
        images, labels = digits.load_digits()
        np.testing.assert_array_equal(images, expected.images)
        np.testing.assert_array_equal(labels, expected.target)
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
