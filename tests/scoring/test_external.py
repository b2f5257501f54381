import shutil
import subprocess
import sys

import numpy as np
import pytest

from conftest import PROJECT
from evaluation.metric.confidence import confidences, margins
from evaluation.metric.epsilon import epsilons
from evaluation.metric.outputs import Outputs
from evaluation.scoring.external import approaches, read_approach, read_pair, write_folder
from starting_kit.errors import InputError

MODELS, EXAMPLES, CLASSES = 5, 7, 4
LABELS = np.arange(EXAMPLES) % CLASSES
HEADER = "seed,retain_accuracy,forget_accuracy,test_accuracy\n"


def logits_of(seed, models=MODELS, examples=EXAMPLES):
    return np.random.default_rng(seed).normal(size=(models, examples, CLASSES)).astype(np.float32) * 3


RETRAINED, UNLEARNED = logits_of(0), logits_of(1)


def accuracy_of(seed, models=MODELS):
    generator = np.random.default_rng(seed)
    return {split: generator.uniform(size=models) for split in ("retain", "forget", "test", "validation")}


@pytest.fixture
def pair(tmp_path):
    """Write R.npz and U.npz, the second with the arrays that are given, and read them."""

    def read(**unlearned):
        np.savez(tmp_path / "R.npz", logits=RETRAINED, labels=LABELS)
        np.savez(tmp_path / "U.npz", **unlearned)
        return read_pair(tmp_path / "R.npz", tmp_path / "U.npz")

    return read


@pytest.fixture
def folder(tmp_path):
    """A folder in the cifar10_populations layout with one approach, `mine`."""
    path = tmp_path / "populations"
    write_folder(path, "mine", LABELS, UNLEARNED, RETRAINED, accuracy_of(1), accuracy_of(0))
    return path


def assert_same(first, second):
    assert first.ids.keys() == second.ids.keys() == first.confidences.keys() == second.confidences.keys() == {"forget"}
    np.testing.assert_array_equal(first.ids["forget"], second.ids["forget"])
    np.testing.assert_array_equal(first.confidences["forget"], second.confidences["forget"])
    np.testing.assert_array_equal(first.forget_margins, second.forget_margins)
    assert first.accuracy.keys() == second.accuracy.keys()
    for split, values in first.accuracy.items():
        np.testing.assert_array_equal(values, second.accuracy[split])


# What is read


def test_logits_become_outputs(pair):
    accuracy = accuracy_of(3)
    ids = np.arange(EXAMPLES)[::-1] + 100
    given = {f"{split}_accuracy": accuracy[split] for split in ("retain", "test")}
    retrained, unlearned = pair(logits=UNLEARNED, labels=LABELS, ids=ids, **given)
    forget = np.array([[row.argmax() == label for row, label in zip(model, LABELS, strict=True)] for model in UNLEARNED])
    expected = {"retain": accuracy["retain"], "test": accuracy["test"], "forget": forget.mean(axis=1)}
    of_logits = confidences(UNLEARNED, LABELS)
    assert_same(unlearned, Outputs({"forget": ids}, {"forget": of_logits}, margins(UNLEARNED, LABELS), expected))
    assert set(retrained.accuracy) == {"forget"}


def test_a_forget_accuracy_that_is_given_is_not_computed(pair):
    given = np.linspace(0, 1, MODELS)
    np.testing.assert_array_equal(
        pair(logits=UNLEARNED, labels=LABELS, forget_accuracy=given).unlearned.accuracy["forget"], given
    )


def test_confidences_are_taken_as_they_are_and_leave_no_margins(pair):
    given = confidences(UNLEARNED, LABELS)
    retrained, unlearned = pair(confidences=given)
    np.testing.assert_array_equal(unlearned.confidences["forget"], given)
    assert retrained.forget_margins is None
    assert unlearned.forget_margins is None
    assert dict(unlearned.accuracy) == {}


def test_ids_that_one_file_says_hold_for_both(tmp_path, pair):
    ids = np.arange(EXAMPLES) * 2
    for outputs in pair(logits=UNLEARNED, labels=LABELS, ids=ids):
        np.testing.assert_array_equal(outputs.ids["forget"], ids)
    for outputs in read_pair(tmp_path / "U.npz", tmp_path / "R.npz"):
        np.testing.assert_array_equal(outputs.ids["forget"], ids)
    for outputs in pair(logits=UNLEARNED, labels=LABELS):
        np.testing.assert_array_equal(outputs.ids["forget"], np.arange(EXAMPLES))


def test_numbers_of_models_may_differ(pair):
    retrained, unlearned = pair(logits=logits_of(2, models=3), labels=LABELS)
    assert (retrained.models, unlearned.models) == (MODELS, 3)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i8"])
def test_only_float32_logits_are_computed_with_in_float32(pair, dtype):
    logits = UNLEARNED.astype(dtype)
    computed_with = np.float32 if dtype.endswith("f4") else np.float64
    expected = confidences(logits.astype(computed_with), LABELS)
    np.testing.assert_array_equal(pair(logits=logits, labels=LABELS).unlearned.confidences["forget"], expected)


def test_many_models_give_what_each_gives_alone(pair):
    many = logits_of(4, models=150)
    unlearned = pair(logits=many, labels=LABELS.astype(np.uint8)).unlearned
    for model, logits in enumerate(many):
        np.testing.assert_array_equal(unlearned.confidences["forget"][model], confidences(logits, LABELS))
        np.testing.assert_array_equal(unlearned.forget_margins[model], margins(logits, LABELS))


def test_the_order_of_models_changes_no_epsilon(pair):
    def epsilon(logits):
        retrained, unlearned = pair(logits=logits, labels=LABELS)
        return epsilons(unlearned.confidences["forget"], retrained.confidences["forget"])

    np.testing.assert_array_equal(epsilon(UNLEARNED), epsilon(UNLEARNED[[3, 0, 4, 2, 1]]))
    assert (epsilon(UNLEARNED) != epsilon(logits_of(2))).any()


def test_reading_needs_no_torch():
    program = "import sys, evaluation.scoring.external; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT).returncode == 0


# The cifar10_populations layout


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


def with_value(array, position, value):
    changed = array.copy()
    changed[position] = value
    return changed


GOOD = {"logits": UNLEARNED, "labels": LABELS}
CONFIDENCES = UNLEARNED[:, :, 0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"logits": CONFIDENCES}, r"the shape of logits is \(5, 7\), but must be \[models, examples, classes\]\."),
        ({"logits": UNLEARNED[:, :0]}, r"\(5, 0, 4\), but must be \[models, examples, classes\], at least one of each\."),
        ({"logits": UNLEARNED[:2]}, r"U\.npz holds 2 models; at least 3 are needed\."),
        ({"logits": UNLEARNED[:, :, :1], "labels": 0 * LABELS}, r"label 0 of example 0 does not fit 1 classes\."),
        ({"logits": with_value(UNLEARNED, (3, 6, 1), np.nan)}, r"NaN or infinity for model 3, example 6; leave out"),
        ({"logits": with_value(UNLEARNED, (0, 2, 0), -np.inf)}, r"NaN or infinity for model 0, example 2; leave out"),
        ({"logits": UNLEARNED.astype(str)}, r"the type of logits is <U\d+, but must be a number"),
        ({"logits": UNLEARNED.astype(complex)}, r"the type of logits is complex128, but must be a number"),
        ({"logits": UNLEARNED.astype(object)}, r"U\.npz: logits are damaged or Python objects; save numbers"),
        ({"labels": LABELS[:-1]}, r"the shape of labels is \(6,\), but must be \[7 examples\]\."),
        ({"labels": LABELS + 0.5}, r"the type of labels is float64, but must be an integer"),
        ({"labels": with_value(LABELS, 5, 4)}, r"label 4 of example 5 does not fit 4 classes\."),
        ({"labels": with_value(LABELS, 5, -1)}, r"label -1 of example 5 does not fit 4 classes\."),
        ({"labels": LABELS[::-1]}, r"R\.npz and .*U\.npz hold different examples: label 0 and 2 in place 0"),
        ({"ids": np.arange(EXAMPLES - 1)}, r"the shape of ids is \(6,\), but must be \[7 examples\]\."),
        ({"ids": np.zeros(EXAMPLES, int)}, r"U\.npz: ids name an example twice"),
        ({"retain_accuracy": np.ones(4)}, r"the shape of retain_accuracy is \(4,\), but must be \[5 models\]\."),
        ({"test_accuracy": np.array([0, 1, 0.5, 99.5, 1])}, r"test_accuracy of model 3 is 99\.5, but must lie in 0\.\.1\."),
        ({"forget_accuracy": np.array([0, -0.1, 0.5, 1, 1])}, r"forget_accuracy of model 1 is -0\.1, but must lie"),
        ({"test_accuracy": np.full(5, np.nan)}, r"test_accuracy of model 0 is nan, but must lie in 0\.\.1\."),
        (
            {"retain_acc": np.ones(5)},
            r"U\.npz holds retain_acc, but only logits, .* are known\. Did you mean retain_accuracy\?",
        ),
        ({"confidences": CONFIDENCES}, r"must hold either logits or confidences; it holds logits, labels, confidences\."),
    ],
)
def test_wrong_arrays_are_refused(pair, arrays, message):
    with pytest.raises(InputError, match=message):
        pair(**{**GOOD, **arrays})
    assert pair(**GOOD)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": LABELS}, r"must hold either logits or confidences; it holds labels\."),
        ({"logits": UNLEARNED}, r"U\.npz holds logits without labels; add labels \[examples\]"),
        ({"confidences": UNLEARNED}, r"the shape of confidences is \(5, 7, 4\), but must be \[models, examples\]\."),
        ({"confidences": with_value(CONFIDENCES, (2, 3), np.inf)}, r"NaN or infinity for model 2, example 3"),
        ({"confidences": CONFIDENCES[:, :6]}, r"R\.npz and .*U\.npz hold different examples: 7 and 6; both must be"),
        ({"confidences": CONFIDENCES, "labels": LABELS[::-1]}, r"different examples: label 0 and 2 in place 0"),
    ],
)
def test_arrays_that_do_not_suffice_are_refused(pair, arrays, message):
    with pytest.raises(InputError, match=message):
        pair(**arrays)


def test_different_ids_are_refused(tmp_path):
    ids = np.arange(EXAMPLES)
    np.savez(tmp_path / "R.npz", **GOOD, ids=ids)
    np.savez(tmp_path / "U.npz", **GOOD, ids=ids[[0, 1, 3, 2, 4, 5, 6]])
    with pytest.raises(InputError, match=r"different examples: id 2 and 3 in place 2; bring them into one order\."):
        read_pair(tmp_path / "R.npz", tmp_path / "U.npz")


def test_what_is_no_npz_file_is_refused(tmp_path, pair):
    pair(**GOOD)
    path = tmp_path / "U.npz"
    content = path.read_bytes()
    for wrong in (b"text", b"", content[:500], np.array([{}]).dumps()):
        path.write_bytes(wrong)
        with pytest.raises(InputError, match=r"U\.npz is not an \.npz file of numbers; write it with numpy\.savez\."):
            read_pair(path, path)
    with path.open("wb") as file:
        np.save(file, UNLEARNED)
    with pytest.raises(InputError, match=r"is not an \.npz file"):
        read_pair(path, path)
    middle = content.index(UNLEARNED.tobytes())
    path.write_bytes(content[:middle] + b"\0" + content[middle + 1 :])
    with pytest.raises(InputError, match="logits are damaged"):
        read_pair(path, path)
    path.unlink()
    with pytest.raises(InputError, match=r"U\.npz cannot be read: No such file or directory; check the path\."):
        read_pair(path, path)
    path.mkdir()
    with pytest.raises(InputError, match=r"U\.npz cannot be read: Is a directory"):
        read_pair(path, path)


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
