"""HAM10000 in a folder drawn in the layout of the Kaggle data set."""

import csv

import numpy as np
import pytest
from pictures import assert_complete, draw, remark_on, truncate

from starting_kit import tasks
from starting_kit.errors import InputError
from starting_kit.tasks.data import SPLITS
from starting_kit.tasks.ham10000 import DIAGNOSES, FOLDERS

COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
LESIONS, PICTURES = 30, 60  # two pictures of each


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "ham10000"
    rows = []
    for number in range(PICTURES):
        name = f"ISIC_{24306 + number:07d}"
        diagnosis = DIAGNOSES[number % LESIONS % 7]
        rows.append((f"HAM_{number % LESIONS:07d}", name, diagnosis, "histo", "50.0", "male", "back"))
        draw(root / FOLDERS[number % 2] / f"{name}.jpg", seed=number)
    write_table(root, rows)
    return tmp_path


def write_table(root, rows):
    with (root / "HAM10000_metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def rows_of(folder):
    with (folder / "ham10000" / "HAM10000_metadata.csv").open(newline="") as file:
        return list(csv.reader(file))[1:]


def load(folder, forget="subject:3"):
    return tasks.find("ham10000", folder, forget).load()


def test_pictures_are_found_in_both_folders_and_resized(folder):
    data = load(folder)
    assert data.images.shape == (PICTURES, 3, 224, 224)
    assert data.images.dtype == np.uint8
    assert data.remarks == ()
    assert_complete(data)
    assert np.bincount(data.labels).tolist() == [10, 10, 8, 8, 8, 8, 8]
    assert len({picture.tobytes() for picture in data.images}) == PICTURES


def test_a_lesion_is_in_one_split_only(folder):
    data = load(folder)
    splits = [set(data.subjects[getattr(data, split)]) for split in SPLITS]
    assert sum(map(len, splits)) == LESIONS == len(set.union(*splits))
    assert len(splits[1]) == 3  # forget
    assert len(data.forget) == 6


def test_loading_again_takes_no_decoding_but_sees_changed_files(folder):
    before = load(folder)
    draw(folder / "ham10000" / FOLDERS[0] / "ISIC_0024306.jpg", seed=1000, size=(41, 30))
    after = load(folder)
    changed = (before.images != after.images).any(axis=(1, 2, 3))
    assert changed.tolist() == [True] + [False] * (PICTURES - 1)


def test_odd_files_and_rows_are_reported_and_nothing_else_is_lost(folder):
    root = folder / "ham10000"
    one, two = (root / part for part in FOLDERS)
    (one / "Thumbs.db").write_bytes(b"\0")
    truncate(two / "ISIC_0024307.jpg")
    (one / "ISIC_0024308.jpg").unlink()
    rows = rows_of(folder)
    kept = [row for row in rows if row[1] != "ISIC_0024310"]  # a missing row
    (kept[3] if kept[3][1] == "ISIC_0024309" else kept[0])[2] = "unknown"
    write_table(root, kept)
    data = load(folder)
    assert len(data.labels) == PICTURES - 4
    assert_complete(data)
    assert "no JPEG picture" in remark_on(one / "Thumbs.db", data.remarks)
    assert "cannot be read" in remark_on(two / "ISIC_0024307.jpg", data.remarks)
    assert "in neither folder" in remark_on("ISIC_0024308.jpg", data.remarks)
    assert "not in the table" in remark_on(one / "ISIC_0024310.jpg", data.remarks)
    assert "no picture, lesion, or known diagnosis" in remark_on("HAM10000_metadata.csv, line 5", data.remarks)


def test_a_missing_table_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"HAM10000_metadata.csv is missing; give the folder that holds .* with --data"):
        load(tmp_path)


def test_a_table_without_pictures_is_one_sentence(folder):
    for part in FOLDERS:
        for path in (folder / "ham10000" / part).iterdir():
            path.unlink()
    with pytest.raises(InputError, match="holds none of the pictures of its table"):
        load(folder)
