import hashlib
import importlib
import json
import pkgutil

import numpy as np
import pytest

from starting_kit import tasks
from starting_kit.errors import InputError
from starting_kit.tasks.data import SPLITS, Data


@pytest.fixture(scope="module")
def digits():
    return tasks.find("digits"), tasks.find("digits").load()


def test_digits_are_the_real_images_split_without_overlap(digits):
    task, data = digits
    assert data.images.shape == (1797, 1, 8, 8)
    assert (data.images.min(), data.images.max()) == task.pixel_range == (0, 16)
    assert [len(getattr(data, split)) for split in SPLITS] == [360, 90, 347, 1000]
    together = np.concatenate([getattr(data, split) for split in SPLITS])
    np.testing.assert_array_equal(np.sort(together), np.arange(1797))
    assert task.pixel_mean == pytest.approx((data.images.mean(),), abs=1e-3)
    assert task.pixel_std == pytest.approx((data.images.std(),), abs=1e-3)
    assert len(np.unique(data.labels[data.forget])) == 10


def test_numbers_change_only_with_the_version(digits):
    """Whoever changes the splits or the recipe must raise the version, and then this test."""
    task, data = digits
    assert task.version == 2
    splits = b"".join(getattr(data, split).tobytes() for split in SPLITS)
    content = splits + data.images.tobytes() + data.labels.tobytes() + json.dumps(task.identity(), sort_keys=True).encode()
    assert hashlib.sha256(content).hexdigest()[:16] == "00fc26055e35256c"


def test_loading_twice_gives_the_same(digits):
    task, data = digits
    again = task.load()
    np.testing.assert_array_equal(data.forget, again.forget)


def test_unknown_task_names_the_nearest():
    with pytest.raises(InputError, match=r"no task 'digit'; the tasks are agedb, .*, svhn\. Did you mean digits\?"):
        tasks.find("digit")


def test_the_registry_names_exactly_the_modules_that_define_a_task():
    modules = {
        found.name: importlib.import_module(f"{tasks.__name__}.{found.name}") for found in pkgutil.iter_modules(tasks.__path__)
    }
    defined = {name: module.TASK.name for name, module in modules.items() if hasattr(module, "TASK")}
    assert list(tasks.NAMES) == sorted(defined)
    assert defined == {name: name for name in tasks.NAMES}


@pytest.mark.parametrize("name", tasks.NAMES)
def test_every_task_can_be_described_without_its_data(name, tmp_path):
    (task,) = [task for task in tasks.every(tmp_path) if task.name == name]
    embedded = name in ("digits", "digit_people")
    assert task.is_there() == embedded
    assert bool(task.needs) == bool(task.marker_globs) == (not embedded)
    assert task.version >= 1
    assert len(task.pixel_mean) == len(task.pixel_std) == task.image_shape[0]
    assert len(task.summary) < 120


def test_what_the_user_wants_otherwise_is_remembered():
    assert tasks.find("digits").changed == ()
    task = tasks.find("digits", forget="class:3", network="all-cnn", epochs=2)
    assert task.changed == ("forget", "network", "recipe")
    assert (task.forget, task.network, task.recipe.epochs) == ("class:3", "all-cnn", 2)
    same = tasks.find("digits", forget="random:0.2", network="cnn-8-16-16", epochs=20)
    assert same == tasks.find("digits")


def test_a_forget_request_that_is_none_is_refused_at_once():
    with pytest.raises(InputError, match="is not random:FRACTION"):
        tasks.find("digits", forget="random:1.5")


def test_whom_an_image_shows_and_which_of_theirs_it_is():
    ids = np.arange(5)
    data = Data(np.zeros((5, 1, 1, 1), np.uint8), ids, ids[:2], ids[2:3], ids[3:4], ids[4:], np.array([7, 3, 7, 7, 3]))
    assert data.people.tolist() == [7, 3, 7, 7, 3]
    assert data.pictures.tolist() == [0, 0, 1, 2, 1]


def test_without_subjects_everybody_is_somebody_else(digits):
    _, data = digits
    assert len(np.unique(data.people)) == 1797
    assert not data.pictures.any()
