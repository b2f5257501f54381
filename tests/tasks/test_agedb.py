"""AgeDB in a folder drawn in the layout of its authors."""

import numpy as np
import pytest
from pictures import assert_complete, draw, remark_on, truncate

from starting_kit import tasks
from starting_kit.errors import InputError
from starting_kit.tasks.data import SPLITS

PEOPLE = 20


@pytest.fixture
def folder(tmp_path):
    index = 0
    for person in range(PEOPLE):
        for age in (5 + person, 30 + person, 101 - person):
            gender = "mf"[person % 2]
            draw(tmp_path / "agedb" / f"{index}_Person{person}_{age}_{gender}.jpg", seed=index)
            index += 1
    return tmp_path


def load(folder, forget="subject:2"):
    return tasks.find("agedb", folder, forget).load()


def test_labels_are_groups_of_ten_years(folder):
    data = load(folder)
    assert data.images.shape == (60, 3, 32, 32)
    assert data.remarks == ()
    assert_complete(data)
    expected = [min((age - 1) // 10, 9) for age in data.ages]
    assert data.labels.tolist() == expected
    assert {5, 101} <= set(data.ages)


def test_a_person_is_in_one_split_only(folder):
    data = load(folder)
    splits = [set(data.subjects[getattr(data, split)]) for split in SPLITS]
    assert sum(map(len, splits)) == PEOPLE == len(set.union(*splits))
    assert len(splits[1]) == 2
    assert len(data.forget) == 6


def test_odd_files_are_reported_and_nothing_else_is_lost(folder):
    root = folder / "agedb"
    (root / "Thumbs.db").write_bytes(b"\0")
    truncate(root / "0_Person0_5_m.jpg")
    draw(root / "998_Person1_130_f.jpg", seed=1)
    draw(root / "999_Person1_0_f.jpg", seed=2)
    draw(root / "portrait.jpg", seed=3)
    draw(root / "1000_Maria_José_del_Mar_44_F.JPG", seed=4)  # a name with underscores, letters in capitals
    data = load(folder)
    assert len(data.labels) == 60
    assert_complete(data)
    assert "no JPEG picture" in remark_on(root / "Thumbs.db", data.remarks)
    assert "cannot be read" in remark_on(root / "0_Person0_5_m.jpg", data.remarks)
    assert "an age of 130 is not from 1 to 101" in remark_on(root / "998_Person1_130_f.jpg", data.remarks)
    assert "an age of 0" in remark_on(root / "999_Person1_0_f.jpg", data.remarks)
    assert "is not named <index>_<name>_<age>_<gender>.jpg" in remark_on(root / "portrait.jpg", data.remarks)
    assert len(data.remarks) == 5
    assert 44 in data.ages


def test_the_age_of_a_group_is_the_mean_of_its_training_images(folder):
    data = load(folder)
    ages = data.group_ages(10)
    inside = data.labels[data.training] == 3
    assert ages[3] == pytest.approx(data.ages[data.training][inside].mean())
    assert ((ages == 0) | (np.abs(ages - np.arange(5, 105, 10)) < 6)).all()


@pytest.mark.parametrize(
    ("make", "sentence"), [(False, "agedb is missing; give the folder"), (True, "holds no pictures named")]
)
def test_a_folder_without_pictures_is_one_sentence(tmp_path, make, sentence):
    if make:
        (tmp_path / "agedb").mkdir()
    with pytest.raises(InputError, match=sentence):
        load(tmp_path)
