import dataclasses

import numpy as np
import pytest

from starting_kit.tasks import duplicates
from starting_kit.tasks.data import Data


@pytest.fixture
def data():
    """Noise in 32x32 pixels: 20 forget, 40 retain, 10 test images, of which none is like another."""
    images = np.random.default_rng(0).integers(0, 256, (70, 3, 32, 32), dtype=np.uint8)
    ids = np.arange(70)
    return Data(images, ids % 2, retain=ids[20:60], forget=ids[:20], validation=ids[:0], test=ids[60:])


def test_different_images_are_no_duplicates(data):
    assert duplicates.find(data) == []


def test_exact_copies_are_counted_by_forget_image(data):
    data.images[[25, 26]] = data.images[3]  # one forget image with two copies
    data.images[65] = data.images[4]
    assert [(d.split, d.exact, d.near, d.forget) for d in duplicates.find(data)] == [("retain", 1, 1, 20), ("test", 1, 1, 20)]


def test_near_copies_are_darker_or_compressed_but_not_others(data):
    gradient = np.linspace(0, 200, 32)[None, :, None] * np.ones((3, 1, 32))
    noise = np.random.default_rng(1).normal(0, 2, (2, 3, 32, 32))
    data.images[0] = (gradient + noise[0]).round().clip(0, 255)
    data.images[30] = (0.7 * gradient + 10 + noise[1]).round().clip(0, 255)
    (found,) = duplicates.find(data)
    assert (found.exact, found.near) == (0, 1)
    assert str(found) == "0 of 20 forget images have an exact copy in retain, 1 a near one"


def test_images_of_one_colour_are_near_to_none(data):
    data.images[[0, 30]] = np.array([10, 200], np.uint8)[:, None, None, None]
    assert duplicates.find(data) == []
    data.images[31] = data.images[0]
    assert [(d.exact, d.near) for d in duplicates.find(data)] == [(1, 1)]


def test_numbers_that_are_no_bytes_are_compared_too(data):
    numbers = dataclasses.replace(data, images=data.images.astype(np.float32) / 255)
    numbers.images[30] = numbers.images[0]
    assert [(d.exact, d.near) for d in duplicates.find(numbers)] == [(1, 1)]
