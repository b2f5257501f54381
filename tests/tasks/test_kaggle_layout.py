"""The competition's folder: as it was mounted, and as the generator writes it."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from pictures import assert_complete, remark_on
from PIL import Image

from evaluation.populations import materials
from evaluation.populations.population import Population
from starting_kit import kaggle_folder, tasks
from starting_kit.errors import InputError
from starting_kit.kaggle import competition_folder
from starting_kit.networks import build
from starting_kit.tasks.kaggle_layout import TABLES


@pytest.fixture(scope="module")
def digits():
    return tasks.find("digits").load()


@pytest.fixture(scope="module")
def written(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kaggle") / "kaggle"
    competition_folder.write(digits, folder)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "kaggle")


def find(folder):
    return tasks.find("kaggle_layout", folder)


def rows_of(folder, table):
    with (folder / f"{table}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_generator_writes_what_the_competition_mounted(folder, digits):
    tables = {table: rows_of(folder, table) for table in TABLES}
    assert [len(tables[table]) for table in TABLES] == [360, 90, 347]
    row = tables["forget"][0]
    assert list(row) == ["image_id", "age_group", "age", "person_id"]
    person, number = row["image_id"].split("-")
    assert person == row["person_id"]
    with Image.open(folder / "images" / person / f"{number}.png") as picture:
        assert (picture.mode, picture.size) == ("RGB", (8, 8))
    counts = json.loads((folder / "age_class_weights.json").read_text())
    assert counts == {str(label): int(n) for label, n in enumerate(np.bincount(digits.labels[digits.training]))}


def test_reading_gives_the_examples_that_were_written(folder, digits):
    task = find(folder)
    data = task.load()
    assert (task.image_shape, task.classes, task.original) == ((3, 8, 8), 10, None)
    assert_complete(dataclasses.replace(data))
    assert data.remarks == ()
    assert [len(getattr(data, split)) for split in ("retain", "forget")] == [360, 90]
    assert len(data.validation) + len(data.test) == 347
    for split in ("retain", "forget"):
        ids, source = getattr(data, split), getattr(digits, split)
        pictures = np.repeat((digits.images[source] / 16 * 255).round().astype(np.uint8), 3, axis=1)
        found = {(int(label), image.tobytes()) for label, image in zip(data.labels[ids], data.images[ids], strict=True)}
        expected = {(int(label), image.tobytes()) for label, image in zip(digits.labels[source], pictures, strict=True)}
        assert found == expected


def test_people_keep_their_pictures_together(folder):
    data = find(folder).load()
    assert len(np.unique(data.subjects)) == len(data.labels)  # every digit is somebody of its own


def test_the_folder_is_found_where_it_is_mounted(folder, tmp_path):
    mounted = tmp_path / "input" / "neurips-2023-machine-unlearning"
    shutil.copytree(folder, mounted)
    np.testing.assert_array_equal(find(tmp_path / "input").load().labels, find(folder).load().labels)


def test_an_original_model_that_lies_there_is_what_unlearning_starts_from(folder, tmp_path):
    net = build(find(folder), seed=5)
    torch.save(net.state_dict(), folder / "original_model.pth")
    task = find(folder)
    population = Population(task, "original", 0, tmp_path / "runs", task.engine)
    loaded = materials.original_model(population).state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in net.state_dict().items())


def test_an_original_model_of_another_network_is_one_sentence(folder, tmp_path):
    torch.save({"weight": torch.zeros(3)}, folder / "original_model.pth")
    task = find(folder)
    with pytest.raises(InputError, match=r"original_model.pth holds no weights of this ResNet .* --network says which it is"):
        materials.original_model(Population(task, "original", 0, tmp_path / "runs", task.engine))


def test_pictures_that_are_missing_or_too_many_are_reported(folder):
    first = rows_of(folder, "retain")[0]["image_id"].split("-")
    gone = folder / "images" / first[0] / f"{first[1]}.png"
    shutil.copy(gone, gone.with_name("999.png"))
    gone.unlink()
    data = find(folder).load()
    assert len(data.labels) == 796
    assert "cannot be read" in remark_on(gone, data.remarks)
    assert "in none of the tables" in remark_on(gone.with_name("999.png"), data.remarks)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / "forget.csv").unlink(), "forget.csv cannot be read"),
        (
            lambda folder: (folder / "age_class_weights.json").write_text("{"),
            "needs images/<person>/<number>.png and age_class",
        ),
        (lambda folder: (folder / "retain.csv").write_text("image_id,age_group\n1-0,\n"), "retain.csv, line 2: needs image_id"),
        (lambda folder: (folder / "retain.csv").unlink(), "holds no retain.csv, forget.csv, validation.csv"),
    ],
)
def test_a_folder_that_lacks_something_is_one_sentence(folder, spoil, sentence):
    spoil(folder)
    with pytest.raises(InputError, match=sentence):
        find(folder).load()


def test_the_generator_writes_over_nothing(folder, capsys):
    assert kaggle_folder.main(["--out", str(folder)]) == 2
    assert "is not empty; give another folder with --out" in capsys.readouterr().err
