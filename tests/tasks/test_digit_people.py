"""Whether the made-up people are as docs/tasks.md says."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from starting_kit import tasks
from starting_kit.tasks import digit_people


@pytest.fixture(scope="module")
def data():
    return tasks.find("digit_people").load()


def test_everybody_has_eight_pictures_to_train_on_and_one_each_to_validate_and_test(data):
    for split, pictures in (("training", 8), ("validation", 1), ("test", 1)):
        assert np.bincount(data.people[getattr(data, split)]).tolist() == [pictures] * 375
    assert len(data.training) == 8 * 375  # 375 steps an epoch, as in the competition


def test_eight_whole_people_of_the_two_largest_classes_are_forgotten(data):
    assert np.unique(data.people[data.forget]).tolist() == list(range(8))
    assert len(data.forget) == 64
    assert set(data.labels[data.forget]) == {0, 1}


def test_a_person_has_one_class_and_classes_are_as_uneven_as_age_groups_were(data):
    classes = data.labels.reshape(375, 10)
    assert (classes == classes[:, :1]).all()
    shares = np.bincount(classes[:, 0]) / 375
    assert (np.diff(shares) < 0).all()
    assert shares[[0, -1]] == pytest.approx([0.27, 0.02], abs=0.005)


def test_half_of_the_people_are_of_the_class_of_their_digit_and_the_others_of_any():
    targets = load_digits().target
    faces, labels = digit_people._people(targets, np.random.default_rng(1))
    assert len(np.unique(faces)) == 375
    right = targets[faces] == labels
    assert 0.5 <= right.mean() < 0.65  # by chance some of those drawn at random are right as well
    assert len(np.unique(targets[faces[~right]])) == 10


def test_pictures_of_a_person_are_alike_but_not_the_same(data):
    pictures = data.images.reshape(375, 10, 64)
    own = np.linalg.norm(pictures[:, 0] - pictures[:, 1], axis=1)
    others = np.linalg.norm(pictures[:, 0] - np.roll(pictures[:, 1], 1, axis=0), axis=1)
    assert own.min() > 1  # noise alone is 2.4
    assert np.mean(own < others) > 0.95
    assert pictures.min() >= 0 and pictures.max() <= 16


def test_its_networks_are_trained_several_at_a_time():
    """It is trained with a loss weighted by class, by Adam, and holds a thin ResNet: all of it several at a time."""
    from starting_kit.training import usable_engine

    task = tasks.find("digit_people")
    assert usable_engine(task) == (task.engine, None)
