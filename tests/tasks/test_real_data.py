"""The tasks of which there are real files in the folder of data sets, where that is there."""

import numpy as np
import pytest
from pictures import assert_complete

from starting_kit import tasks
from starting_kit.tasks import duplicates
from starting_kit.tasks.data import SPLITS


def load(data, name, forget=None):
    task = tasks.find(name, data, forget)
    return task, task.load()


def test_mnist_is_whole(data):
    task, mnist = load(data, "mnist")
    assert mnist.images.shape == (70000, 1, 28, 28)
    assert_complete(mnist)
    assert np.bincount(mnist.labels[:60000]).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert [len(getattr(mnist, split)) for split in SPLITS] == [54000, 6000, 5000, 5000]
    training = mnist.images[:60000]
    assert task.pixel_mean == pytest.approx((training.mean(),), abs=0.01)
    assert task.pixel_std == pytest.approx((training.std(),), abs=0.01)


def test_a_class_of_mnist(data):
    _, mnist = load(data, "mnist", "class:0")
    assert len(mnist.forget) == 5923
    assert (mnist.labels[mnist.forget] == 0).all()
    assert (mnist.labels[mnist.retain] != 0).all()


def test_wrong_labels_of_mnist_are_those_that_are_forgotten(data):
    _, mnist = load(data, "mnist", "mislabelled:0.05")
    _, right = load(data, "mnist")
    assert len(mnist.forget) == 3000
    np.testing.assert_array_equal(np.flatnonzero(mnist.labels != right.labels), mnist.forget)


def test_ham10000_is_forgotten_by_lesion(data):
    _, ham = load(data, "ham10000_8x8", "subject:400")
    assert ham.images.shape == (10015, 1, 8, 8)
    assert_complete(ham)
    assert np.bincount(ham.labels).tolist() == [327, 514, 1099, 115, 6705, 142, 1113]  # Tschandl et al. 2018, table 3
    lesions = [set(ham.subjects[getattr(ham, split)]) for split in SPLITS]
    assert sum(map(len, lesions)) == 7470 == len(set.union(*lesions))
    assert len(lesions[1]) == 400
    assert len(lesions[0]) + 400 == round(0.7 * 7470)


def test_cifar10_from_jpegs_has_the_official_order(data):
    _, cifar = load(data, "cifar10_jpeg")
    assert cifar.images.shape == (60000, 3, 32, 32)
    assert_complete(cifar)
    assert cifar.labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]  # frog, truck, truck, deer, ...
    assert cifar.labels[50000:50005].tolist() == [3, 8, 8, 0, 6]
    assert [len(getattr(cifar, split)) for split in SPLITS] == [45000, 5000, 5000, 5000]


def test_cifar10_has_the_near_duplicates_that_are_known_of_it(data):
    """Barz and Denzler (2020, https://arxiv.org/abs/1902.00423) found 3.25 % of its test images in its training data."""
    _, cifar = load(data, "cifar10_jpeg")
    retain, test = duplicates.find(cifar)
    assert (retain.split, test.split) == ("retain", "test")
    assert 10 <= retain.near <= 50
    assert 1 <= test.near <= 20
