"""Populations in folders of the published layout."""

import shutil

import numpy as np
import pytest

from evaluation.metric.confidence import margins
from evaluation.metric.outputs import Outputs
from evaluation.scoring.external import approaches, read_approach, read_pair, write_folder
from starting_kit.errors import InputError
from test_external import (
    CLASSES,
    EXAMPLES,
    GOOD,
    LABELS,
    MODELS,
    RETRAINED,
    UNLEARNED,
    accuracy_of,
    assert_same,
    logits_of,
    with_value,
)

HEADER = "seed,retain_accuracy,forget_accuracy,test_accuracy\n"


@pytest.fixture
def folder(tmp_path):
    """A folder in the cifar10_populations layout with one approach, `mine`."""
    path = tmp_path / "populations"
    write_folder(path, "mine", LABELS, UNLEARNED, RETRAINED, accuracy_of(1), accuracy_of(0))
    return path


@pytest.mark.parametrize(
    ("approach", "retain", "forget", "test"),
    [("finetune", 99.99, 99.51, 94.58), ("prune_complex", 99.99, 91.10, 94.31)],
)
def test_the_published_accuracies_are_reproduced(cifar10_populations, approach, retain, forget, test):
    assert approaches(cifar10_populations) == ["finetune", "prune_complex"]
    retrained, unlearned = read_approach(cifar10_populations, approach)
    assert retrained.confidences["forget"].shape == unlearned.confidences["forget"].shape == (80, 1000)
    means = {split: 100 * values.mean() for split, values in unlearned.accuracy.items()}
    # The retain accuracies are 99.99997 % and 99.998 %, so the table must have cut them off; the others are rounded.
    assert np.floor(100 * means["retain"]) / 100 == retain
    assert (round(means["forget"], 2), round(means["test"], 2)) == (forget, test)


def test_published_logits_lie_as_described(cifar10_populations, tmp_path):
    folder = shutil.copytree(cifar10_populations, tmp_path / "copy", copy_function=shutil.copyfile)
    (folder / "prune_complex" / "metrics.csv").unlink()
    stored = np.load(folder / "prune_complex" / "logits_unlearn.npy")
    unlearned = read_approach(folder, "prune_complex").unlearned
    model, example = 17, 400
    label = stored[example, 0].argmax()
    assert unlearned.forget_margins[model, example] == margins(stored[example, None, 1 + model], np.array([label]))[0]
    assert unlearned.accuracy["forget"].mean() == pytest.approx(0.9070375)
    assert set(unlearned.accuracy) == {"forget"}


def test_what_is_written_is_read(folder):
    pair = read_approach(folder, "mine")
    for outputs, logits, accuracy in zip(pair, (RETRAINED, UNLEARNED), (accuracy_of(0), accuracy_of(1)), strict=True):
        by_split = {split: accuracy[split] for split in ("retain", "forget", "test")}
        ids = {"forget": np.arange(EXAMPLES)}
        assert_same(outputs, Outputs.from_logits({"forget": logits}, {"forget": LABELS}, ids, by_split))


def test_what_is_written_has_the_published_layout(folder):
    stored = np.load(folder / "mine" / "logits_unlearn.npy")
    assert (stored.shape, stored.dtype) == ((EXAMPLES, 1 + MODELS, CLASSES), np.float32)
    np.testing.assert_array_equal(stored[:, 0], np.eye(CLASSES)[LABELS])
    np.testing.assert_array_equal(stored[6, 3], UNLEARNED[2, 6])
    lines = (folder / "metrics.csv").read_text().splitlines()
    assert lines[0] == HEADER.strip()
    retain, forget, test = (accuracy_of(0)[split][3] for split in ("retain", "forget", "test"))
    assert lines[4] == f"3,{retain},{forget},{test}"


def test_a_second_approach_is_written_beside_the_first(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    write_folder(folder, "another", LABELS, logits_of(2, models=4), RETRAINED, accuracy_of(2, models=4), accuracy_of(0))
    assert approaches(folder) == ["another", "mine"]
    assert read_approach(folder, "another").unlearned.models == 4
    assert all(path.read_bytes() == content for path, content in before.items())


def test_approaches_are_listed_in_alphabetical_order(tmp_path):
    for name in "cafebd":
        (tmp_path / name).mkdir()
        (tmp_path / name / "logits_unlearn.npy").touch()
    (tmp_path / "figures").mkdir()
    assert approaches(tmp_path) == list("abcdef")


@pytest.mark.parametrize("change", ["logits", "labels", "models"])
def test_approaches_against_other_retrained_models_are_not_written_into_one_folder(folder, change):
    retrained = {"logits": RETRAINED + 1, "labels": RETRAINED, "models": RETRAINED[:4]}[change]
    labels = LABELS[::-1] if change == "labels" else LABELS
    with pytest.raises(InputError, match=r"populations holds other retrained models; choose another folder with --export\."):
        write_folder(folder, "other", labels, UNLEARNED, retrained, accuracy_of(1), accuracy_of(0, len(retrained)))
    assert approaches(folder) == ["mine"]


def test_accuracies_that_were_not_published_are_absent(folder):
    (folder / "metrics.csv").unlink()
    retrained, unlearned = read_approach(folder, "mine")
    assert set(retrained.accuracy) == {"forget"}
    assert set(unlearned.accuracy) == {"retain", "forget", "test"}
    np.testing.assert_array_equal(retrained.accuracy["forget"], (RETRAINED.argmax(axis=2) == LABELS).mean(axis=1))


# What is refused


def test_files_that_are_cut_off_anywhere_are_refused(tmp_path, folder):
    np.savez(tmp_path / "U.npz", **GOOD)
    readers = {
        tmp_path / "U.npz": lambda: read_pair(tmp_path / "U.npz", tmp_path / "U.npz"),
        folder / "mine" / "logits_unlearn.npy": lambda: read_approach(folder, "mine"),
    }
    for path, read in readers.items():
        content = path.read_bytes()
        for size in range(len(content)):
            path.write_bytes(content[:size])
            with pytest.raises(InputError, match=path.name):
                read()


def test_damage_that_numpy_does_not_expect_is_refused(tmp_path, folder):
    path = folder / "logits_retain.npy"
    path.write_bytes(path.read_bytes().replace(b")", b" ", 1))  # the shape in the header is never closed
    with pytest.raises(InputError, match=r"logits_retain\.npy is not an \.npy file"):
        read_approach(folder, "mine")
    path = tmp_path / "U.npz"
    np.savez(path, **GOOD)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 10] = 99  # a compression method that does not exist
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"U\.npz: logits are damaged"):
        read_pair(path, path)


STORED = np.concatenate([np.eye(CLASSES)[LABELS][:, None], UNLEARNED.swapaxes(0, 1)], axis=1)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (STORED[0], r"logits_unlearn\.npy: the shape of the array is \(6, 4\), but must be \[examples, 1 \+ models, classes\]"),
        (STORED[:, :3], r"logits_unlearn\.npy holds 2 models; at least 3 are needed"),
        (STORED[:, 1:], r"entry 0 of the middle axis must be the one-hot label; example 0 has none"),
        (with_value(STORED, (4, 0), 0), r"must be the one-hot label; example 4 has none"),
        (with_value(STORED, (4, 0), 1), r"must be the one-hot label; example 4 has none"),
        (with_value(STORED, (4, 0), np.nan), r"must be the one-hot label; example 4 has none"),
        (with_value(STORED, (6, 1 + 2, 3), np.nan), r"NaN or infinity for model 2, example 6"),
        (STORED[:6], r"logits_retain\.npy and .*logits_unlearn\.npy hold different examples: 7 and 6"),
        (STORED[::-1], r"hold different examples: label 0 and 2 in place 0"),
        (STORED.astype(object), r"logits_unlearn\.npy is not an \.npy file of numbers; write it with numpy\.save\."),
    ],
)
def test_a_wrong_array_in_a_folder_is_refused(folder, stored, message):
    np.save(folder / "mine" / "logits_unlearn.npy", stored)
    (folder / "mine" / "metrics.csv").unlink()
    with pytest.raises(InputError, match=message):
        read_approach(folder, "mine")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [], r"line 1: retain_accuracy is missing"),
        (lambda lines: [lines[0].replace("test_", "val_"), *lines[1:]], r"mine/metrics\.csv, line 1: test_accuracy is missing"),
        (lambda lines: lines[:-1], r"mine/metrics\.csv, line 5: 4 rows for 5 models"),
        (lambda lines: [*lines, lines[1]], r"mine/metrics\.csv, line 7: 6 rows for 5 models"),
        (lambda lines: [*lines[:3], "2,0.5,good,0.5\n", *lines[4:]], r"line 4: .* in 0\.\.1.* forget_accuracy = good"),
        (lambda lines: [*lines[:3], "2,0.5,0.5,99.5\n", *lines[4:]], r"line 4: .* in 0\.\.1.* test_accuracy = 99\.5"),
        (lambda lines: [*lines[:3], "2,0.5,0.5,nan\n", *lines[4:]], r"line 4: .* in 0\.\.1.* test_accuracy = nan"),
        (lambda lines: [*lines[:3], "2,0.5,0.5\n", *lines[4:]], r"line 4: .* one in each column.* test_accuracy = None"),
        (lambda lines: [*lines[:3], "2,0,5,0,5,0,5\n", *lines[4:]], r"line 4: accuracies must be numbers"),
        (lambda lines: [*lines[:3], "2,1,1,1,1\n", *lines[4:]], r"line 4: .* one in each column"),
        (lambda lines: ["\udcff"], r"mine/metrics\.csv cannot be read as CSV .*; mend it, or remove it\."),
    ],
)
def test_wrong_metrics_are_refused(folder, change, message):
    path = folder / "mine" / "metrics.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_bytes("".join(change(lines)).encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=message):
        read_approach(folder, "mine")


def test_metrics_of_spreadsheets_are_read(folder):
    path = folder / "mine" / "metrics.csv"
    before = read_approach(folder, "mine").unlearned
    rows = [line.partition(",") for line in path.read_text().splitlines()]
    path.write_bytes("".join(f"{accuracies},{seed}\r\n" for seed, _, accuracies in rows).encode("utf-8-sig"))
    assert_same(read_approach(folder, "mine").unlearned, before)


def test_a_folder_without_populations_is_refused(folder):
    with pytest.raises(InputError, match=r"mine holds no <approach>/logits_unlearn\.npy; give a folder that holds"):
        approaches(folder / "mine")
    with pytest.raises(InputError, match=r"nowhere holds no <approach>/logits_unlearn\.npy"):
        approaches(folder / "nowhere")
    (folder / "logits_retain.npy").unlink()
    with pytest.raises(InputError, match=r"logits_retain\.npy cannot be read: No such file or directory"):
        read_approach(folder, "mine")
