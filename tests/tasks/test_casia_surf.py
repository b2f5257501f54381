"""CASIA-SURF in a folder drawn in the layout that the competition's organisers read."""

import numpy as np
import pytest
from pictures import assert_complete, draw, remark_on, truncate

from starting_kit import tasks
from starting_kit.errors import InputError

PEOPLE, EACH = 30, 4
AGES = [20 + person for person in range(PEOPLE)]


def color(folder, person):
    return folder / "casia_surf" / "WBackground" / f"part{person % 2}" / f"{person:03d}" / "real.rssdk" / "color"


@pytest.fixture
def folder(tmp_path):
    for person in range(PEOPLE):
        for number in range(EACH):
            draw(color(tmp_path, person) / f"{number}.jpg", seed=EACH * person + number)
    lines = [f"{person:03d} {AGES[person]} {'MF'[person % 2]}\n" for person in range(PEOPLE)]
    (tmp_path / "casia_surf" / "Age_Gender.txt").write_text("".join(lines))
    return tmp_path


def load(folder, forget=None):
    return tasks.find("casia_surf", folder, forget).load()


def test_ages_are_cut_into_ten_groups_of_equal_width(folder):
    data = load(folder)
    assert data.images.shape == (PEOPLE * EACH, 3, 32, 32)
    assert data.remarks == ()
    assert_complete(data)
    assert data.labels.tolist() == [(age - 20) // 3 for age in data.ages]  # 20 to 49: three years each


def test_pictures_are_split_80_10_10_and_the_first_fifteen_people_forgotten(folder):
    data = load(folder)
    assert [len(data.training), len(data.validation), len(data.test)] == [96, 12, 12]
    assert set(data.subjects[data.forget]) == set(range(15))
    assert set(data.subjects[data.retain]) == set(range(15, 30))


def test_the_split_is_that_of_the_organisers_generator(folder):
    import random

    order = list(range(PEOPLE * EACH))
    random.Random(43).shuffle(order)
    np.testing.assert_array_equal(load(folder).test, np.sort(order[108:]))


def test_odd_files_and_lines_are_reported_and_nothing_else_is_lost(folder):
    (color(folder, 0) / "Thumbs.db").write_bytes(b"\0")
    truncate(color(folder, 1) / "2.jpg")
    draw(color(folder, 99) / "0.jpg", seed=0)
    table = folder / "casia_surf" / "Age_Gender.txt"
    table.write_text(table.read_text() + "100 31 M\n101 999 F\n102 old F\n000 21 M\n")
    data = load(folder)
    assert len(data.labels) == PEOPLE * EACH - 1
    assert_complete(data)
    assert "no JPEG picture" in remark_on(color(folder, 0) / "Thumbs.db", data.remarks)
    assert "cannot be read" in remark_on(color(folder, 1) / "2.jpg", data.remarks)
    assert "not of a person with an age" in remark_on(color(folder, 99).parents[1], data.remarks)
    assert "there are no pictures" in remark_on("of person 100", data.remarks)
    assert "an age of 999 is not from 1 to 120" in remark_on("line 32", data.remarks)
    assert "not <person> <age> <gender>" in remark_on("line 33", data.remarks)
    assert "of another person" in remark_on("line 34", data.remarks)
    assert len(data.remarks) == 7


def test_missing_data_are_one_sentence(folder, tmp_path_factory):
    with pytest.raises(InputError, match=r"Age_Gender.txt is missing; give the folder"):
        load(tmp_path_factory.mktemp("empty"))
    (folder / "casia_surf" / "WBackground").rename(folder / "casia_surf" / "elsewhere")
    with pytest.raises(InputError, match="WBackground holds no pictures"):
        load(folder)


def test_class_weights_and_adam_are_the_organisers(folder):
    recipe = tasks.find("casia_surf", folder).recipe
    assert (recipe.kind, recipe.peak_learning_rate, recipe.weight_decay, recipe.epochs) == ("adam", 1e-4, 5e-3, 30)
    assert recipe.class_weights
