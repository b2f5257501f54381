"""Scoring populations that were made elsewhere, as a user types it."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from msgspec import UNSET

from conftest import PROJECT, run_script
from evaluation.attacks import ATTACKS
from evaluation.metric.measured import Measured
from evaluation.scoring import codec, external


@pytest.fixture(scope="module")
def published(cifar10_populations, tmp_path_factory):
    """Scorecards and output of the published populations."""
    results = tmp_path_factory.mktemp("published")
    run = run_script("score.py", "--populations", cifar10_populations, "--results", results)
    assert run.returncode == 0, run.stderr
    folder = results / "cifar10_populations"
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}, run.stdout, results


@pytest.mark.parametrize(
    ("approach", "epsilon", "accuracies"),
    [("finetune", 3.738, (0.9999, 0.9951, 0.9458)), ("prune_complex", 2.197, (0.9999, 0.9110, 0.9431))],
)
def test_the_published_table_is_reproduced(published, approach, epsilon, accuracies):
    cards, output, _ = published
    card = cards[approach]
    assert card["attacks"]["likelihood_ratio"]["unlearned"]["median"] == pytest.approx(epsilon, abs=5e-4)
    assert f"{epsilon}" in output
    for split, accuracy in zip(("retain", "forget", "test"), accuracies, strict=True):
        assert card[f"{split}_accuracy"]["unlearned"] == pytest.approx(
            accuracy, abs=1.01e-4
        )  # 99.99... was cut off, not rounded
        assert f"{accuracy:.2%} of" in output


def test_what_forget_logits_allow_is_there_and_the_rest_has_reasons(published):
    card = published[0]["finetune"]
    assert (card["models"], card["retrained_models"], card["ceiling_models"]) == (80, 80, 40)
    assert 0 < card["forgetting_quality"] < card["ceiling"] < 0.25
    low, high = card["forgetting_interval"]
    assert 0.7 * card["forgetting_quality"] < low < card["forgetting_quality"] < high
    for name in ("task_version", "seed", "network", "cost", "within_limit", "hyperparameters", "class_forgetting"):
        assert (card[name], card[f"{name}_reason"]) == (None, "the populations were made elsewhere")
    assert (card["floor"], card["floor_reason"]) == (None, "original models are not known")
    for attack in ATTACKS:
        opinion = card["attacks"][attack.name]
        assert opinion["retrained_models"] == 40
        if attack.name == "membership_inference":
            assert (opinion["unlearned"], opinion["reason"]) == (None, "test confidences are not known")
        else:
            assert all(opinion[kind][name] is not None for kind in ("unlearned", "retrained") for name in attack.headlines)
    assert card["attacks"]["klom"]["reason"] == "retain or validation confidences are not known"


def test_the_leaderboard_ranks_them(published):
    run = run_script("leaderboard.py", "--results", published[2])
    assert run.returncode == 0, run.stderr
    assert "cifar10_populations, 80 models, metric v1; ceiling 0.1794, floor -" in run.stdout
    rows = [line.split() for line in run.stdout.splitlines() if line.strip()[:1] in ("1", "2")]
    assert [row[:2] for row in rows] == [["1", "prune_complex"], ["2", "finetune"]]
    assert rows[1][3].endswith(("*", "…"))
    run = run_script("leaderboard.py", "--results", published[2], "--compare", "finetune", "prune_complex")
    assert "they differ" in run.stdout


def test_what_was_exported_has_the_score_it_had(sixteen, tmp_path):
    run = run_script("score.py", "--populations", sixteen.exported, "--results", tmp_path)
    assert run.returncode == 0, run.stderr
    card = json.loads((tmp_path / "exported" / "finetune--published,n16.json").read_text())
    for name in ("score", "forgetting_quality", "retain_ratio", "test_ratio", "forget_accuracy"):
        assert card[name] == pytest.approx(sixteen.card[name])
    assert [e["epsilon"] for e in card["epsilons"]] == [e["epsilon"] for e in sixteen.card["epsilons"]]
    for name in ("likelihood_ratio", "u_lira", "epsilon_lower_bound"):
        assert card["attacks"][name]["unlearned"] == pytest.approx(sixteen.card["attacks"][name]["unlearned"])


@pytest.fixture
def files(tmp_path):
    """Write two .npz files of 50 models, changed as wanted, and give the options that name them."""

    def write(retrained=None, unlearned=None):
        paths = []
        for seed, (name, changes) in enumerate({"retrained": retrained, "unlearned": unlearned}.items()):
            random = np.random.default_rng(seed)
            arrays = {
                "logits": random.normal(size=(50, 12, 3)),
                "labels": np.arange(12) % 3,
                "retain_accuracy": random.uniform(0.9, 1, 50),
                "test_accuracy": random.uniform(0.8, 0.9, 50),
            }
            paths.append(tmp_path / f"{name}.npz")
            np.savez(paths[-1], **{key: value for key, value in {**arrays, **(changes or {})}.items() if value is not None})
        return "--retrained", paths[0], "--unlearned", paths[1]

    return write


def test_two_files_give_a_scorecard(files, tmp_path):
    run = run_script("score.py", *files(), "--json", tmp_path / "card.json", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "unlearned on retrained, 50 models" in run.stdout
    card = codec.read(tmp_path / "card.json")
    score = card.score.value
    assert score == pytest.approx(card.forgetting_quality * card.retain_ratio.value * card.test_ratio.value)
    assert card.score_interval.value[0] < score < card.score_interval.value[1]
    assert not (tmp_path / "results").exists()


def test_without_accuracies_there_is_f_and_no_score(files, tmp_path):
    confidences = np.random.default_rng(2).normal(size=(60, 12))
    changes = {"logits": None, "labels": None, "retain_accuracy": None, "test_accuracy": None, "confidences": confidences}
    run = run_script("score.py", *files(unlearned=changes), "--json", tmp_path / "card.json")
    assert run.returncode == 0, run.stderr
    card = codec.read(tmp_path / "card.json")
    unknown = "retain or test accuracies are not known"
    assert card.score == card.score_interval == Measured(reason=unknown)
    assert (card.models, card.retrained_models) == (60, 50)
    assert card.forgetting_interval.value[0] < card.forgetting_quality
    assert card.attacks["likelihood_ratio"].reason == "only confidences are known, the hinge margin needs logits"
    assert card.attacks["u_lira"].unlearned["auc"] > 0
    assert unknown in run.stdout


def repeated(different, models=50):
    """Logits of so many different models, each several times."""
    return np.random.default_rng(3).normal(size=(different, 12, 3))[np.arange(models) % different]


@pytest.mark.parametrize(
    ("retrained", "unlearned", "said"),
    [
        (50, 1, ["all 50 models are the same: "]),
        (50, 3, ["50 models, but only 3 different ones: "]),
        (49, 50, ["50 retrained models, but only 49 different ones: "]),
        (1, 2, ["50 models, but only 2 different ones: ", "all 50 retrained models are the same: "]),
    ],
)
def test_models_that_are_the_same_are_said_before_all_else(files, tmp_path, retrained, unlearned, said):
    alike = {"retain_accuracy": None, "test_accuracy": None}
    given = ({"logits": repeated(different), **alike} for different in (retrained, unlearned))
    run = run_script("score.py", *files(*given), "--json", tmp_path / "card.json", "--no-intervals")
    assert run.returncode == 0, run.stderr
    first = run.stdout.splitlines()
    assert all(line.startswith(start) for line, start in zip(first, said, strict=False))
    assert first[len(said)].startswith("╭")
    card = codec.read(tmp_path / "card.json")
    assert card.different_models == (UNSET if unlearned == 50 else unlearned)
    assert card.different_retrained_models == (UNSET if retrained == 50 else retrained)


def test_so_they_are_for_an_approach_of_a_folder(tmp_path):
    labels, accuracy = np.arange(12) % 3, {split: np.ones(50) for split in external.SPLITS}
    for name, different in (("seeded", 1), ("usual", 50)):
        external.write_folder(tmp_path / "both", name, labels, repeated(different), repeated(50) + 0.1, accuracy, accuracy)
    run = run_script("score.py", "--populations", tmp_path / "both", "--results", tmp_path, "--no-intervals")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("all 50 models are the same: ")
    assert run.stdout.count("are the same") == 1
    board = run_script("leaderboard.py", "--results", tmp_path)
    marked = [line.split()[1] for line in board.stdout.splitlines() if "†" in line and "some of its models" not in line]
    assert marked == ["seeded"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logits": np.zeros((50, 12))}, "the shape of logits is (50, 12), but must be [models, examples, classes]"),
        ({"logits": np.full((50, 12, 3), np.nan)}, "NaN or infinity for model 0, example 0"),
        ({"labels": np.full(12, 3)}, "label 3 of example 0 does not fit 3 classes"),
        ({"logits": np.zeros((50, 11, 3)), "labels": np.zeros(11, int)}, "hold different examples: 12 and 11"),
        (
            {"logits": np.zeros((2, 12, 3)), "retain_accuracy": None, "test_accuracy": None},
            "holds 2 models; at least 3 are needed",
        ),
        ({"retain_acc": np.ones(50)}, "Did you mean retain_accuracy?"),
    ],
)
def test_files_that_cannot_be_scored_end_in_a_sentence(files, changes, message):
    run = run_script("score.py", *files(unlearned=changes))
    assert message in run.stderr
    assert run.stderr.startswith("error: ")
    assert len(run.stderr.splitlines()) == 1
    assert run.returncode == 2


def test_too_few_retrained_models_end_in_a_sentence(files):
    few = {"logits": np.random.default_rng(0).normal(size=(5, 12, 3)), "retain_accuracy": None, "test_accuracy": None}
    run = run_script("score.py", *files(retrained=few))
    assert run.stderr.startswith("error: 5 retrained models are too few, at least 6 are needed")
    assert run.returncode == 2


def test_retrained_models_that_are_never_right_end_in_a_sentence(files):
    run = run_script("score.py", *files(retrained={"test_accuracy": np.zeros(50)}))
    assert run.stderr.startswith("error: unlearned cannot be scored: the retrained models have accuracy 0")
    assert run.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give either --solution, or --retrained and --unlearned, or --populations"),
        (("--retrained", "a.npz"), "Give either --solution, or --retrained and --unlearned, or --populations"),
        (("--solution", "finetune", "--populations", "a"), "Give either --solution"),
        (("--populations", "a", "--models", "64"), "--models is for --solution"),
        (("--populations", "a", "--set", "epochs=3"), "--set is for --solution"),
        (("--populations", "a", "--hyperparameters", "tuned"), "--hyperparameters is for --solution"),
        (("--populations", "absent"), "absent holds no <approach>/logits_unlearn.npy"),
        (("--retrained", "a.npz", "--unlearned", "b.npz"), "a.npz cannot be read: No such file or directory"),
        (("--populations", "a", "--json", "card.json"), "--json takes one scorecard"),
    ],
)
def test_options_that_do_not_go_together_end_in_a_sentence(tmp_path, arguments, message):
    run = run_script("score.py", *arguments, cwd=tmp_path)
    assert message in run.stderr
    assert run.stderr.startswith("error: ")
    assert run.returncode == 2


def test_no_torch_is_needed(sixteen, tmp_path):
    shutil.copytree(sixteen.exported, tmp_path / "exported")
    arguments = ["--populations", str(tmp_path / "exported"), "--results", str(tmp_path)]
    program = f"import sys; from evaluation import score; sys.exit(score.main({arguments!r}) or 'torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
