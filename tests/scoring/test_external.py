"""Populations in .npz files that were made elsewhere."""

import subprocess
import sys

import numpy as np
import pytest

from conftest import PROJECT
from evaluation.metric.confidence import confidences, margins
from evaluation.metric.epsilon import epsilons
from evaluation.metric.outputs import Outputs
from evaluation.scoring.external import read_pair
from starting_kit.errors import InputError

MODELS, EXAMPLES, CLASSES = 5, 7, 4
LABELS = np.arange(EXAMPLES) % CLASSES


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
