"""The command itself, as a user types it: a scorecard."""

import json
import os

import numpy as np
import pytest
import torch

from conftest import PROJECT, run_script
from evaluation.attacks import ATTACKS
from evaluation.metric import designs
from evaluation.metric.confidence import confidences
from evaluation.metric.epsilon import epsilons
from evaluation.scoring.scorecard import EXEMPT
from starting_kit import tasks
from starting_kit.files import read_arrays

TASK = tasks.find("digits")


def comparable(card):
    return {name: value for name, value in card.items() if name not in EXEMPT}


def test_scorecard_has_what_the_design_promises(sixteen):
    card = sixteen.card
    assert (card["solution"], card["task"], card["task_version"]) == ("finetune", "digits", TASK.version)
    assert (card["models"], card["seed"], card["originals"], card["forget"]) == (16, 0, 4, "random:0.2")
    assert card["hyperparameters"]["source"] == "published"
    assert card["hyperparameters"]["values"]["learning_rate"] == 1e-3
    assert len(card["epsilons"]) == 90
    assert [entry["example"] for entry in card["epsilons"]] == TASK.load().forget.tolist()
    low, high = card["cost_interval"]
    assert 0.001 < low < card["cost"] < high < 0.2
    assert card["within_limit"] is True
    assert card["cost_turns"] >= 3
    assert card["operations"] == pytest.approx(card["hyperparameters"]["values"]["epochs"] / 20)
    assert card["environment"]["workers"] == 2
    assert card["environment"]["instruction_set"].startswith(torch.backends.cpu.get_cpu_capability())
    assert 0 < card["originals_score"] < card["ceiling"] < 1
    assert card["score"] < card["ceiling"]
    assert card["relative"] == pytest.approx(card["score"] / card["ceiling"])
    assert card["ceiling_models"] == 16
    for name in ("score", "forgetting", "retain_ratio", "test_ratio"):
        assert card[f"{name}_interval"] is None
        assert card[f"{name}_interval_reason"] == "16 models are too few for an interval, at least 48 are needed"
    assert set(card["attacks"]) == {attack.name for attack in ATTACKS}
    for opinion in card["attacks"].values():
        assert all(value is not None for kind in ("unlearned", "retrained") for value in opinion[kind].values())
        assert opinion["retrained_models"] == 16
    for split in ("retain", "test", "forget"):
        assert set(card[f"{split}_accuracy"]) == {"unlearned", "retrained"}
        assert all(0.9 < value <= 1 for value in card[f"{split}_accuracy"].values())


def test_score_follows_from_the_stored_outputs(sixteen):
    def shard(kind):
        (folder,) = [folder for folder in sixteen.populations if folder.name.startswith(f"{kind}-")]
        return read_arrays(folder / "shard-00000.npz")

    unlearned, retrained = shard("unlearned"), shard("retrained")
    values = [confidences(part["logits_forget"][:16], part["labels_forget"]) for part in (unlearned, retrained)]

    def quality(confidences):
        found = epsilons(confidences, values[1])
        return np.where(found < 3, 0.5 ** np.floor(found / 0.5), 0).mean()  # 16 models: ln 15 = 2.7, so the last bin ends at 3

    accuracies = [[part[f"accuracy_{split}"][:16] for part in (unlearned, retrained)] for split in ("retain", "test")]
    kept = np.prod([of_unlearned / of_retrained.mean() for of_unlearned, of_retrained in accuracies], axis=0)
    ratios = [of_unlearned.mean() / of_retrained.mean() for of_unlearned, of_retrained in accuracies]
    assert sixteen.card["pooled"]["score"] == pytest.approx(quality(values[0]) * ratios[0] * ratios[1])
    originals = np.arange(16) // 4
    populations = list(designs.populations(values[0], originals))
    expected = [epsilons(population, values[1]) for population in populations]
    np.testing.assert_allclose([entry["epsilon"] for entry in sixteen.card["epsilons"]], np.median(expected, axis=0))
    scores = [quality(population) * kept[4 * i : 4 * i + 4].mean() for i, population in enumerate(populations)]
    assert sixteen.card["by_original"]["score"] == pytest.approx(scores, rel=1e-3)  # of means, not a mean of products
    assert sixteen.card["score"] == pytest.approx(np.mean(scores), rel=1e-3)


def test_summary_says_what_one_wants_to_know(sixteen):
    for text in (
        "finetune on digits v2, 16 models",
        "score / ceiling",
        "ceiling, originals",
        "retain accuracy",
        "cost",
        "operations",
        "16 models are too few for an interval",
        "U-LiRA, AUC",
        "ε",
        "16 models at once",
    ):
        assert text in sixteen.output
    assert str(sixteen.path) in sixteen.output.replace("\n", "")
    assert "a score from 16 models cannot be compared with one from 512" in " ".join(sixteen.log.split())
    assert "retrained          16 models (16 made in" in sixteen.log


def test_original_scores_zero(score, tmp_path):
    run = score("--solution", "original", "--json", tmp_path / "card.json")
    assert run.returncode == 0, run.stderr
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["score"] == card["forgetting_quality"] == 0
    assert {entry["epsilon"] for entry in card["epsilons"]} == {50.0}
    assert card["retain_ratio"] == pytest.approx(1, abs=0.02)
    assert card == json.loads((tmp_path / "results" / "digits" / "original--n16.json").read_text())
    assert list(card.items())[1] == ("different_models", 4)
    assert run.stdout.startswith(
        "all runs from one original model are the same (16 models, 4 different ones): the solution sets a seed itself or "
    )


@pytest.mark.slow
def test_settings_name_the_scorecard(score, tmp_path):
    run = score("--solution", "finetune", "--hyperparameters", "published", "--set", "epochs=2", "--set", "learning_rate=0.02")
    assert run.returncode == 0, run.stderr
    card = json.loads(
        (tmp_path / "results" / "digits" / "finetune--published,epochs=2,learning_rate=0.02,n16.json").read_text()
    )
    assert card["hyperparameters"] == {
        "source": "set",
        "values": {"epochs": 2, "learning_rate": 0.02, "batch_size": None, "weight_decay": 5e-4},
        "set": ["epochs", "learning_rate"],
        "others": "published",
    }
    values = "set by you: epochs=2, learning_rate=0.02; published: batch_size=None, weight_decay=0.0005"
    assert values in " ".join(run.stdout.replace("│", "").split())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_before_any_work(score):
    run = score("--solution", "finetune", "--device", "cuda")
    assert run.returncode == 2
    assert "PyTorch finds no GPU that it can use here" in run.stderr


@pytest.mark.slow
def test_lockstep_is_chosen_by_proof_and_changes_only_rounding(sixteen, score, tmp_path):
    assert sixteen.card["engine"] == {
        "unlearning": "lockstep",
        "models_at_once": 16,
        "reason": "three models at once get the weights that each gets alone",
    }
    run = score("--solution", "finetune", "--hyperparameters", "published", "--engine", "single")
    assert run.returncode == 0, run.stderr
    card = json.loads((tmp_path / "results" / "digits" / "finetune--published,n16,single.json").read_text())
    assert card["engine"] == {"unlearning": "single", "models_at_once": 1, "reason": "--engine single"}
    populations = [
        read_arrays(folder / "shard-00000.npz")["logits_forget"][:16]
        for folder in (sixteen.runs / "digits-v2").glob("unlearned-*")
        if (identity := json.loads((folder / "population.json").read_text()))["solution"] == "finetune"
        and identity["hyperparameters"] == card["hyperparameters"]["values"]
    ]
    (one, other), between = populations, np.abs(np.diff(populations[0], axis=0)).mean()
    assert 0 < np.abs(one - other).mean() < between / 100


@pytest.mark.slow
def test_unlearning_starts_from_several_original_models_in_turn(score, sixteen, tmp_path):
    run = score("--solution", "original", "--originals", 3, "--no-intervals")
    assert run.returncode == 0, run.stderr
    card = json.loads((tmp_path / "results" / "digits" / "original--n16,originals3.json").read_text())
    assert card["originals"] == 3
    assert card["score_interval_reason"] == "--no-intervals"
    assert "original on digits v2, 16 models from 3 originals, averaged" in run.stdout
    assert run.stdout.startswith("all runs from one original model are the same (16 models, 3 different ones)")
    (originals,) = (sixteen.runs / "digits-v2").glob("original-*")
    (unlearned,) = [
        folder
        for folder in (sixteen.runs / "digits-v2").glob("unlearned-*")
        if json.loads((folder / "population.json").read_text()).get("originals") == {"models": 3, "in_a_row": 4}
    ]
    logits = [read_arrays(folder / "shard-00000.npz")["logits_forget"] for folder in (originals, unlearned)]
    for model in range(16):
        np.testing.assert_allclose(logits[1][model], logits[0][model // 4 % 3], atol=1e-4)
    assert np.abs(logits[0][0] - logits[0][1]).max() > 0.1


@pytest.mark.slow
def test_a_solution_that_cannot_run_in_lockstep_says_why(score, write_solution, tmp_path):
    body = """for images, labels in retain_loader:
    loss = torch.nn.functional.cross_entropy(net.train()(images), labels)
    net.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 0.1)
    torch.optim.SGD(net.parameters(), lr=0.1).step()"""
    run = score("--solution", write_solution(body, name="clips"), "--json", tmp_path / "card.json")
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "card.json").read_text())["engine"] == {
        "unlearning": "single",
        "models_at_once": 1,
        "reason": "three models at once do not get the weights that each gets alone",
    }


@pytest.mark.slow
def test_notes_on_a_notebook_are_told_and_kept(score, sixteen, tmp_path):
    function = "def unlearning(net, retain, forget, validation):\n    net[-1].bias.data += torch.randn(10)"
    cells = [f"import torch\n\n{function}", "this is no Python"]
    common = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{**common, "source": cell} for cell in cells]}
    (tmp_path / "mine.ipynb").write_text(json.dumps(notebook))
    runs = os.path.relpath(sixteen.runs, tmp_path)  # as a user gives it, or leaves it out
    run = score("--solution", "mine.ipynb", "--json", "card.json", "--runs", runs, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    (note,) = json.loads((tmp_path / "card.json").read_text())["notes"]
    assert note.startswith("cell 2 is left out, it is no Python")
    assert f"note: {note}" in run.stderr
    assert f"note: {note}" in run.stdout


@pytest.mark.slow
def test_a_seed_inside_a_solution_is_said_first(score, write_solution):
    body = """torch.manual_seed(0)
with torch.no_grad():
    for weight in net.parameters():
        weight += 0.01 * torch.randn_like(weight)"""
    run = score("--solution", write_solution(body, name="seeded"))
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(
        "all runs from one original model are the same (16 models, 4 different ones): the solution sets a seed itself"
    )


@pytest.mark.slow
def test_a_solution_without_chance_that_runs_in_lockstep_makes_one_model(score, write_solution):
    body = """optimiser = torch.optim.SGD(net.train().parameters(), lr=0.05, momentum=0.9)
for images, labels in torch.utils.data.DataLoader(retain_loader.dataset, batch_size=50):
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(net(images), labels).backward()
    optimiser.step()"""
    run = score("--solution", write_solution(body, name="certain"))
    assert run.returncode == 0, run.stderr
    assert "16 models at once" in run.stdout
    assert run.stdout.startswith(
        "all runs from one original model are the same (16 models, 4 different ones): the solution sets a seed itself"
    )


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(sixteen, tmp_path):
    cards = []
    for workers in (1, 2):
        arguments = ("--solution", "finetune", "--models", 34, "--epochs", 5, "--json", tmp_path / "card.json")
        places = ("--runs", tmp_path / f"runs{workers}", "--results", tmp_path / "results")
        run = run_script("score.py", *arguments, *places, "--workers", workers)
        assert run.returncode == 0, run.stderr
        cards.append(json.loads((tmp_path / "card.json").read_text()))
    assert json.dumps(comparable(cards[0])) == json.dumps(comparable(cards[1]))


@pytest.mark.slow
def test_a_file_that_reads_dicts_and_prints_is_scored_like_the_zoos(score, sixteen, tmp_path):
    body = (PROJECT / "solutions" / "finetune.py").read_text()
    loop = """\
        for batch in retain_loader:
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(batch["image"]), batch["age_group"]).backward()
            optimiser.step()
"""
    reads_dicts = body.replace("        train_epoch(net, loader, optimiser)\n", loop)
    assert reads_dicts != body
    (tmp_path / "kaggle_style.py").write_text(f"{reads_dicts}    print('epoch 1 done')\n")
    run = score("--solution", tmp_path / "kaggle_style.py", "--json", tmp_path / "mine.json")
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "mine.json").read_text())["epsilons"] == sixteen.card["epsilons"]
    assert "epoch 1 done" not in run.stdout + run.stderr
    logs = [log.read_text() for log in (sixteen.runs / "digits-v2").glob("unlearned-*/output.log")]
    assert any("--- models 0 to 15\nepoch 1 done\n" in log for log in logs)
