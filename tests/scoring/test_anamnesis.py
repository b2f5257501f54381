"""How fast the forgotten class is learnt again: the index, the training, and that nothing is measured twice or lost."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from evaluation.metric.measured import Measured
from evaluation.populations import relearning, shards, weights
from evaluation.populations.model_outputs import logits_of
from evaluation.populations.population import Population
from evaluation.populations.relearn_times import RelearnTimes, relearn_times, times_path
from evaluation.populations.runs import Pools
from evaluation.scoring import SILENT, anamnesis
from evaluation.scoring.anamnesis import NoIndexError, fieller, index
from evaluation.scoring.scorecard import PerPopulation
from starting_kit import tasks
from starting_kit.errors import RunError
from starting_kit.files import read_arrays
from starting_kit.networks import build
from starting_kit.tasks.task import ONE_AT_A_TIME
from starting_kit.training import train

TASK = tasks.find("digits", forget="class:3", epochs=5)
DATA = TASK.load()


class Here:
    """Runs in this process what workers would, and notes what for."""

    def __init__(self):
        self.jobs = []

    def run(self, function, *arguments):
        return self.run_all(function, [arguments], print)[0]

    def run_all(self, function, jobs, on_finished=None):
        self.jobs += [(function.__name__, *job[1:2]) for job in jobs]
        return [function(*job) for job in jobs]


def silent(sentence):
    raise AssertionError(f"unexpected notice: {sentence}")


# --- the index


def times(*batches, capped=0):
    return RelearnTimes(list(batches), capped)


def test_the_index_is_the_ratio_of_means():
    found = index(times(0, 10, 50, capped=1), times(10, 40, 40), 0.93)
    assert found.value == pytest.approx(20 / 30)  # the mean of ratios would be 0.5
    assert found.relearn_batches == PerPopulation(unlearned=[0, 10, 50], retrained=[10, 40, 40])
    assert (found.capped, found.accuracy_to_reach) == (PerPopulation(unlearned=1, retrained=0), 0.93)


def test_models_that_know_the_class_have_index_0():
    assert index(times(0, 0, 0), times(30, 40, 50), 0.9).interval == Measured((0, 0))
    with pytest.raises(NoIndexError, match="retrained models recognise the class without learning it again"):
        index(times(3, 4), times(0, 0), 0.9)


@pytest.mark.parametrize(("unlearned", "retrained"), [((5,), (7,)), ((5, 6), (0, 90))])
def test_an_interval_without_ends_is_null_with_a_reason(unlearned, retrained):
    found = index(times(*unlearned), times(*retrained), 0.9)
    assert found.value == pytest.approx(np.mean(unlearned) / np.mean(retrained))
    assert found.interval == Measured(reason="too few models, or relearn times of retrained ones that differ too much")


def test_the_interval_holds_the_ratios_that_a_t_test_does_not_refuse():
    over, under = np.array([12.0, 30, 22, 9, 18]), np.array([50.0, 61, 38, 70, 44])
    ratios = np.linspace(0, 2, 20_001)
    differences = over.mean() - ratios * under.mean()
    deviations = np.sqrt(over.var(ddof=1) / 5 + ratios**2 * under.var(ddof=1) / 5)
    kept = ratios[np.abs(differences / deviations) <= stats.t.ppf(0.975, 4)]
    np.testing.assert_allclose(fieller(over, under), [kept[0], kept[-1]], atol=1e-4)


@pytest.mark.parametrize(("means", "spreads"), [((20, 20), (0.3, 0.3)), ((4, 40), (0.5, 0.3)), ((80, 30), (0.6, 0.5))])
def test_the_interval_covers(means, spreads):
    random, inside, trials = np.random.default_rng(0), 0, 1000
    for _ in range(trials):
        over, under = (random.gamma(1 / s**2, mean * s**2, 5).round() for mean, s in zip(means, spreads, strict=True))
        low, high = fieller(over, under) or (0, np.inf)
        inside += low <= means[0] / means[1] <= high
    assert 0.93 <= inside / trials <= 0.99


# --- the training


@pytest.fixture
def quick(monkeypatch):
    """A network learns in tens of batches what takes hundreds."""
    monkeypatch.setattr(relearning, "LEARNING_RATE", 0.02)


@pytest.fixture(scope="module")
def networks():
    """One that was trained on everything, and one that never saw the class."""
    return {name: train(TASK, DATA, ids, [0])[0] for name, ids in (("all", DATA.training), ("retain", DATA.retain))}


def test_what_is_known_takes_no_batches_and_what_never_was_takes_many(networks, quick):
    known, _ = relearning.relearn_time(copy.deepcopy(networks["all"]), TASK, DATA, 0.8, 1)
    new, capped = relearning.relearn_time(copy.deepcopy(networks["retain"]), TASK, DATA, 0.8, 1)
    assert (known, capped) == (0, False)
    assert new > 10
    assert relearning.relearn_time(copy.deepcopy(networks["retain"]), TASK, DATA, 0.8, 1) == (new, False)
    assert relearning.relearn_time(copy.deepcopy(networks["retain"]), TASK, DATA, 0.8, 2)[0] != new


def test_a_network_stops_as_soon_as_it_is_accurate(networks, quick, monkeypatch):
    net = copy.deepcopy(networks["retain"])
    taken, _ = relearning.relearn_time(net, TASK, DATA, 0.5, 1)
    assert relearning.accuracy(net, TASK, DATA) >= 0.5
    net, values = copy.deepcopy(networks["retain"]), []
    monkeypatch.setattr(relearning, "accuracy", lambda *given: values.append(0) or len(values) / 10)
    assert relearning.relearn_time(net, TASK, DATA, 0.5, 1) == (4, False)  # measured before each batch, and after the last
    assert taken > 4


def test_training_ends_at_the_cap(networks, monkeypatch):
    monkeypatch.setattr(relearning, "EPOCHS", 2)
    monkeypatch.setattr(relearning, "BATCHES", 1)
    net = copy.deepcopy(networks["retain"])
    before = relearning.accuracy(net, TASK, DATA)
    assert relearning.relearn_time(net, TASK, DATA, 1.1, 1) == (2 * 8, True)  # 450 images are 8 batches of 64
    assert any((a != b).any() for a, b in zip(net.parameters(), networks["retain"].parameters(), strict=True))
    assert before == 0


def test_small_data_sets_have_more_epochs_and_no_batch_of_one():
    batches = [rows.tolist() for rows in relearning._batches(torch.arange(129), 64)]
    epochs = -(-2000 * 64 // 129)
    assert {len(rows) for rows in batches} == {64}
    assert len(batches) == 2 * epochs
    assert sorted(batches[0] + batches[1]) != batches[0] + batches[1]
    assert len(set(batches[0] + batches[1])) == 128
    assert len(list(relearning._batches(torch.arange(2560), 10))) == 10 * 256


def test_accuracy_is_of_the_first_256_test_images_of_the_class(networks, monkeypatch):
    right = networks["all"](torch.from_numpy(DATA.images[DATA.test])).argmax(dim=1).numpy()[DATA.labels[DATA.test] == 3] == 3
    assert relearning.accuracy(networks["all"], TASK, DATA) == pytest.approx(right.mean())
    monkeypatch.setattr(relearning, "IMAGES", 7)
    assert relearning.accuracy(networks["all"], TASK, DATA) == pytest.approx(right[:7].mean())


# --- weights


def test_weights_that_are_not_the_model_are_not_kept(networks):
    net = networks["all"]
    assert weights.objection(TASK, net, DATA) is None
    hooked, wider, longer = copy.deepcopy(net), build(dataclasses.replace(TASK, network="cnn-16-32-32"), 0).eval(), None
    hooked.register_forward_hook(lambda module, given, logits: logits.index_fill(1, torch.tensor(3), -100.0))
    longer = torch.nn.Sequential(copy.deepcopy(net), torch.nn.Linear(10, 10)).eval()
    for other in (hooked, wider, longer):
        assert weights.objection(TASK, other, DATA) == "it is not cnn-8-16-16 with other weights"


def test_missing_and_damaged_weights_are_made_again_with_the_same_outputs(tmp_path):
    """Models that are stored without them (by an earlier version, say) are not stored twice."""
    task = dataclasses.replace(TASK, recipe=dataclasses.replace(TASK.recipe, epochs=1))
    plain = Population(task, "retrained", 0, tmp_path, ONE_AT_A_TIME)
    shards.make(plain, 3, Pools(Here(), None), print, silent)
    outputs = plain.shard_path(0).read_bytes()
    assert not list(plain.folder.glob("weights-*"))
    keeping = dataclasses.replace(plain, kept=2)
    assert keeping.key == plain.key
    notices = []
    for spoil in (lambda path: None, lambda path: path.unlink(), lambda path: path.write_bytes(b"rubbish")):
        if keeping.weights_path(1).exists():
            spoil(keeping.weights_path(1))
        shards.make(keeping, 3, Pools(Here(), None), print, notices.append)
        assert sorted(path.name for path in plain.folder.glob("weights-*")) == ["weights-00000.npz", "weights-00001.npz"]
        assert plain.shard_path(0).read_bytes() == outputs
    assert notices == [f"{keeping.weights_path(1)} is damaged; its models are made again."]
    logits = logits_of(weights.load(keeping, 1), DATA.images[DATA.test], 10)
    np.testing.assert_allclose(logits, read_arrays(plain.shard_path(0))["logits_test"][1], atol=1e-4)


def test_runs_that_are_learnt_again_come_from_different_originals(tmp_path):
    original = Population(TASK, "original", 0, tmp_path, ONE_AT_A_TIME, originals=8)
    made = {
        "unlearned": dataclasses.replace(original, kind="unlearned", original=original),
        "retrained": dataclasses.replace(original, kind="retrained"),
    }
    kept = {
        kind: [model for model in range(40) if population.keeps(model)]
        for kind, population in anamnesis.keeping_weights(made).items()
    }
    assert kept == {"unlearned": [0, 4, 8, 12, 16], "retrained": [0, 1, 2, 3, 4]}
    assert [made["unlearned"].original_of(model) for model in kept["unlearned"]] == [0, 1, 2, 3, 4]


# --- what is stored


@pytest.fixture
def kinds(tmp_path, networks, monkeypatch):
    """Populations of two models, of which there are the weights; two batches are the most allowed."""
    monkeypatch.setattr(relearning, "EPOCHS", 1)
    monkeypatch.setattr(relearning, "BATCHES", 1)
    made = {kind: Population(TASK, kind, 0, tmp_path, ONE_AT_A_TIME) for kind in ("unlearned", "retrained", "original")}
    for kind, name in (("unlearned", "retain"), ("retrained", "retain"), ("original", "all")):
        for model in range(2):
            weights.store(made[kind], model, networks[name], DATA)
    return anamnesis.keeping_weights(made)


def measure(kinds, executor):
    return anamnesis.measure(kinds, 2, executor, SILENT)


def test_relearn_times_are_measured_once(kinds):
    first, again, mended = Here(), Here(), Here()
    found = measure(kinds, first)
    assert found.value.relearn_batches == PerPopulation(unlearned=[8, 8], retrained=[8, 8])
    assert found.value.capped == PerPopulation(unlearned=2, retrained=2)
    assert first.jobs == [("accuracy_to_reach", 2), *[("relearn", 0), ("relearn", 1)] * 2]
    assert measure(kinds, again) == found
    assert again.jobs == [("accuracy_to_reach", 2)]
    target = found.value.accuracy_to_reach
    assert target == pytest.approx(0.95 * relearning.accuracy(weights.load(kinds["original"], 0), TASK, DATA))
    times_path(kinds["retrained"], 1, target).write_bytes(b"rubbish")
    assert measure(kinds, mended) == found
    assert mended.jobs == [("accuracy_to_reach", 2), ("relearn", 1)]


def test_another_accuracy_is_another_file(kinds):
    paths = [times_path(kinds["retrained"], 0, target) for target in (0.9, 0.9, 0.91)]
    assert paths[0] == paths[1] != paths[2]


def test_an_interrupted_measurement_leaves_no_file(kinds, monkeypatch):
    path = times_path(kinds["retrained"], 0, 0.9)
    answers = iter([False, False, True])  # in the second batch
    monkeypatch.setattr(relearning, "stop_requested", lambda: next(answers))
    relearning.relearn(kinds["retrained"], 0, 0.9, path)
    assert not path.exists()
    monkeypatch.setattr(relearning, "stop_requested", lambda: True)
    with pytest.raises(RunError, match=r"relearning-.* is missing or damaged; run the same command to make it again"):
        relearn_times(kinds["retrained"], [0], 0.9, Here(), print, silent)


def test_there_is_no_index_of_other_networks(kinds):
    weights.store(kinds["unlearned"], 1, torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval(), DATA)
    reason = "unlearned model 1 cannot be trained again: it is not cnn-8-16-16 with other weights"
    assert measure(kinds, Here()) == Measured(reason=reason)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("retain", "the original model recognises no test image of the class"),
        ("no test", "there are no test images of the class"),
    ],
)
def test_there_is_no_index_where_there_is_nothing_to_learn(kinds, networks, monkeypatch, name, reason):
    if name == "no test":
        without = dataclasses.replace(DATA, test=DATA.test[DATA.labels[DATA.test] != 3])
        monkeypatch.setattr(relearning, "load_data", lambda task: without)
    else:
        weights.store(kinds["original"], 0, networks["retain"], DATA)
    assert measure(kinds, Here()) == Measured(reason=reason)
