import hashlib
import json

import numpy as np
import pytest

from starting_kit import tasks
from starting_kit.errors import InputError


@pytest.fixture(scope="module")
def digits():
    return tasks.find("digits"), tasks.find("digits").load()


def test_digits_are_the_real_images_split_without_overlap(digits):
    task, data = digits
    assert data.images.shape == (1797, 1, 8, 8)
    assert (data.images.min(), data.images.max()) == (0, 16)
    assert [len(getattr(data, split)) for split in tasks.SPLITS] == [360, 90, 347, 1000]
    together = np.concatenate([getattr(data, split) for split in tasks.SPLITS])
    np.testing.assert_array_equal(np.sort(together), np.arange(1797))
    assert task.pixel_mean == pytest.approx((data.images.mean(),), abs=1e-3)
    assert task.pixel_std == pytest.approx((data.images.std(),), abs=1e-3)
    assert len(np.unique(data.labels[data.forget])) == 10


def test_numbers_change_only_with_the_version(digits):
    """Whoever changes the splits or the recipe must raise the version, and then this test."""
    task, data = digits
    assert task.version == 2
    splits = b"".join(getattr(data, split).tobytes() for split in tasks.SPLITS)
    content = splits + data.images.tobytes() + data.labels.tobytes() + json.dumps(task.identity(), sort_keys=True).encode()
    assert hashlib.sha256(content).hexdigest()[:16] == "4eb0bdd5d0b8d946"


def test_loading_twice_gives_the_same(digits):
    task, data = digits
    again = task.load()
    np.testing.assert_array_equal(data.forget, again.forget)


def test_unknown_task_names_the_nearest():
    with pytest.raises(InputError, match=r"no task 'digit'; the tasks are digits. Did you mean digits\?"):
        tasks.find("digit")


@pytest.mark.parametrize("request_", ["random:0", "random:1.5", "class:3"])
def test_unknown_forget_request_is_refused(digits, request_):
    import dataclasses

    with pytest.raises(ValueError, match="forget request"):
        dataclasses.replace(digits[0], forget=request_).load()
