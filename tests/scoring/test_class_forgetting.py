"""Measures of the forgetting of a class: on logits made by hand, and by the command."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from conftest import run_script
from evaluation.attacks.membership import membership_accuracies
from evaluation.metric.confidence import confidences
from evaluation.metric.measured import Measured
from evaluation.populations.population import Population
from evaluation.scoring import class_forgetting, codec
from evaluation.scoring.class_forgetting import ClassOutputs, estimate, jensen_shannon
from evaluation.scoring.experiment import Experiment
from evaluation.scoring.scorecard import EXEMPT, Estimate
from starting_kit import tasks

CLASSES, FORGOTTEN = 4, 2


def random_logits(seed, *shape):
    return np.random.default_rng(seed).normal(0, 3, (*shape, CLASSES)).astype(np.float32)


def certain(predictions):
    """Logits of models that are certain of these classes, [models, examples]."""
    return np.where(np.arange(CLASSES) == np.asarray(predictions)[..., None], 900.0, 0.0).astype(np.float32)


def stored(seed, models=3, forget=20, validation=(2,) * 6 + (0, 1), test=(2,) * 8 + (0, 1, 3)):
    """What is stored of a population, with these labels of held-out images."""
    labels = {"forget": np.full(forget, FORGOTTEN), "validation": np.array(validation, int), "test": np.array(test, int)}
    arrays = {f"labels_{split}": values for split, values in labels.items()}
    for number, (split, values) in enumerate(labels.items()):
        arrays[f"logits_{split}"] = random_logits([seed, number], models, len(values))
    return arrays


def measure(**populations):
    """The measures, of what is stored of four populations."""
    return class_forgetting.measure(lambda kind: ClassOutputs.of(populations[kind], FORGOTTEN))


def measure_random(**options):
    kinds = ("unlearned", "retrained", "second_retrained", "original")
    populations = {kind: stored(seed, **options) for seed, kind in enumerate(kinds)}
    return measure(**populations), populations


# --- distances


def test_the_distance_is_jensen_and_shannons():
    first, second = random_logits(0, 50), random_logits(1, 50)
    expected = jensenshannon(softmax(first.astype(float), axis=1), softmax(second.astype(float), axis=1), base=2, axis=1)
    np.testing.assert_allclose(jensen_shannon(first, second), expected, atol=1e-12)
    np.testing.assert_allclose(jensen_shannon(second, first), expected, atol=1e-12)


def test_equal_predictions_have_distance_0_and_disjoint_ones_1():
    logits = random_logits(2, 30)
    assert (jensen_shannon(logits, logits) == 0).all()
    np.testing.assert_array_equal(jensen_shannon(certain([0, 1, 2, 3]), certain([1, 0, 2, 2])), [1, 1, 0, 1])


def test_distances_are_of_pairs_of_models_against_retrained_ones():
    """The mean predictions of all four populations are the same; those of single models are not."""
    here, there = stored(0, models=4), stored(1, models=4)
    for arrays, predictions in ((here, [0, 1, 0, 1]), (there, [1, 0, 1, 1])):
        for split in ("forget", "validation", "test"):
            arrays[f"logits_{split}"] = certain(
                np.repeat(np.array(predictions)[:, None], len(arrays[f"labels_{split}"]), axis=1)
            )
    found = measure(unlearned=there, retrained=here, second_retrained=here, original=there)
    for name in ("forget_distance", "retain_classes_distance"):
        assert found[name].value["unlearned"].mean == 0.75  # all pairs but the last
        assert found[name].value["retrained"] == Estimate(0.0, (0.0, 0.0))
        assert "original" not in found[name].value


def test_distances_are_on_forget_images_and_test_images_of_the_retain_classes():
    found, populations = measure_random()
    others = populations["retrained"]["labels_test"] != FORGOTTEN
    for name, split, which in (("forget_distance", "forget", slice(None)), ("retain_classes_distance", "test", others)):
        for kind, judged in (("unlearned", "unlearned"), ("retrained", "second_retrained")):
            pairs = [softmax(populations[k][f"logits_{split}"][:, which].astype(float), axis=-1) for k in (judged, "retrained")]
            expected = jensenshannon(*pairs, base=2, axis=-1).mean(axis=1)
            assert found[name].value[kind].mean == pytest.approx(expected.mean())
            assert found[name].value[kind].interval == pytest.approx(estimate(expected).interval)


# --- accuracies and membership


def test_accuracies_are_of_test_images_by_class():
    labels = (2, 2, 2, 2, 0, 1, 3, 3, 3)
    arrays, others = stored(0, models=2, test=labels), stored(1, models=2, test=labels)
    arrays["logits_test"] = certain([[2, 2, 2, 0, 0, 1, 3, 3, 0], [2, 0, 0, 0, 0, 1, 2, 2, 2]])
    found = measure(unlearned=arrays, retrained=others, second_retrained=others, original=others)
    assert found["forget_class_accuracy"].value["unlearned"].mean == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert found["retain_classes_accuracy"].value["unlearned"].mean == pytest.approx((4 / 5 + 2 / 5) / 2)


def test_intervals_are_students_and_end_at_0_and_1():
    values = np.array([0.5, 0.6, 0.55, 0.7])
    expected = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert estimate(values).mean == pytest.approx(0.5875)
    assert estimate(values).interval == pytest.approx(expected)
    assert estimate(np.array([0.0, 0.0, 0.1])).interval[0] == 0
    assert estimate(np.array([1.0, 1.0, 0.9])).interval[1] == 1


def test_membership_is_told_within_the_class():
    """Members from validation and test images of the class; other classes' images, however different, do not count."""
    found, populations = measure_random()
    for kind in ("unlearned", "retrained", "original"):
        arrays = populations[kind]
        held_out = [arrays[f"logits_{split}"][:, arrays[f"labels_{split}"] == FORGOTTEN] for split in ("validation", "test")]
        assert [part.shape[1] for part in held_out] == [6, 8]
        parts = arrays["logits_forget"], np.concatenate(held_out, axis=1)
        of_class = [confidences(part, np.full(part.shape[1], FORGOTTEN)) for part in parts]
        assert found["membership_inference"].value[kind] == estimate(membership_accuracies(*of_class))


def test_unlearned_models_alone_come_from_originals():
    kinds = ("unlearned", "retrained", "second_retrained", "original")
    populations = {kind: stored(seed, models=8) for seed, kind in enumerate(kinds)}
    originals = np.repeat(np.arange(2), 4)
    plain, grouped = (
        class_forgetting.measure(lambda kind: ClassOutputs.of(populations[kind], FORGOTTEN), known)
        for known in (None, originals)
    )
    values = class_forgetting.of_models(ClassOutputs.of(populations["unlearned"], FORGOTTEN))
    for name, found in grouped.items():
        assert found.value["retrained"] == plain[name].value["retrained"]
        assert found.value["unlearned"].mean == plain[name].value["unlearned"].mean
        if name in values:
            assert found.value["unlearned"] == estimate(values[name], originals) != estimate(values[name])


# --- what there is not


NO_OTHERS = "there are no test images of the retain classes"
NO_CLASS = "there are no test images of the forgotten class"
FEW = "there are too few images of the class ({} forget, {} validation and test), 10 of each are needed"


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        ({"forget": 9}, {"membership_inference": FEW.format(9, 14)}),
        ({"test": (0, 1, 3), "validation": (2,) * 10}, {"forget_class_accuracy": NO_CLASS}),
        (
            {"validation": (), "test": ()},
            {
                "retain_classes_accuracy": NO_OTHERS,
                "forget_class_accuracy": NO_CLASS,
                "membership_inference": FEW.format(20, 0),
                "retain_classes_distance": NO_OTHERS,
            },
        ),
    ],
)
def test_what_cannot_be_measured_is_null_with_a_reason(options, reasons):
    found, _ = measure_random(**options)
    json.dumps({name: codec.encode(measured) for name, measured in found.items()}, allow_nan=False)
    assert {name: found[name].reason for name in class_forgetting.MEASURES if found[name].value is None} == reasons


def test_a_forget_set_that_is_no_class_is_a_reason(tmp_path):
    task = tasks.find("digits")
    made = Experiment({"unlearned": Population(task, "unlearned", 0, tmp_path, task.engine)}, 4, "", 0.1)
    assert class_forgetting.of_experiment(made) == Measured(reason="the forget request is no class")
    assert dataclasses.replace(task, forget="class:3").forgotten_class == 3


# --- the command


def score_class(folder, *arguments):
    options = ("--task", "digits", "--forget", "class:3", "--models", 4, "--runs", folder / "runs", "--results", folder)
    run = run_script("score.py", *options, *arguments)
    assert run.returncode == 0, run.stderr
    return run


@pytest.mark.slow
def test_the_command_measures_what_is_left_of_a_class(tmp_path):
    run = score_class(tmp_path, "--solution", "finetune", "--hyperparameters", "published")
    (path,) = (tmp_path / "digits").glob("finetune*class3*.json")
    card = json.loads(path.read_text())
    found = card["class_forgetting"]
    assert found["class"] == 3
    assert not [name for name in found if name.endswith("_reason")]
    assert found["forget_class_accuracy"]["retrained"]["mean"] == 0
    assert found["forget_class_accuracy"]["original"]["mean"] > 0.9
    assert found["retain_classes_accuracy"]["retrained"]["mean"] > 0.9
    assert found["forget_distance"]["unlearned"]["mean"] > 2 * found["forget_distance"]["retrained"]["mean"]
    index = found["anamnesis_index"]
    assert index["value"] < 0.1  # a few steps of fine-tuning forget nothing
    assert min(index["relearn_batches"]["retrained"]) > 100
    for text in ("forgetting class 3", "AIN (Anamnesis Index)", "relearn retrained  4 models (4 made"):
        assert text in run.stdout + run.stderr
    again = score_class(tmp_path, "--solution", "finetune", "--hyperparameters", "published")
    assert again.stderr.count("all found") == 6
    second = json.loads(path.read_text())
    assert json.dumps([card[name] for name in card if name not in EXEMPT]) == json.dumps(
        [second[name] for name in second if name not in EXEMPT]
    )


@pytest.mark.slow
def test_a_solution_that_gives_another_network_has_no_index_but_a_scorecard(tmp_path, write_solution):
    path = write_solution("return torch.nn.Sequential(net, torch.nn.Linear(10, 10))", name="other")
    run = score_class(tmp_path, "--solution", path)
    (card,) = ((json.loads(path.read_text())) for path in (tmp_path / "digits").glob("other*.json"))
    reason = "unlearned model 0 cannot be trained again: it is not cnn-8-16-16 with other weights"
    assert card["class_forgetting"]["anamnesis_index"] is None
    assert card["class_forgetting"]["anamnesis_index_reason"] == reason
    assert card["class_forgetting"]["forget_class_accuracy"]["unlearned"]["mean"] < 0.9
    assert "unlearned model 0 cannot be trained again" in run.stdout
