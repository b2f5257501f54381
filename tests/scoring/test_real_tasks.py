"""The whole command on other tasks, forget requests and networks, as a user types it."""

import json
import sys

import numpy as np
import pytest

from conftest import PROJECT, run_script
from starting_kit import kaggle_folder, tasks

pytestmark = pytest.mark.slow


@pytest.fixture
def score(tmp_path):
    """Score `finetune` with few models and epochs; gives the scorecard and what was said."""

    def run(*arguments):
        places = ("--runs", tmp_path / "runs", "--results", tmp_path / "results", "--json", tmp_path / "card.json")
        finished = run_script("score.py", "--solution", "finetune", "--models", 4, "--epochs", 1, *places, *arguments)
        assert finished.returncode == 0, finished.stderr
        return json.loads((tmp_path / "card.json").read_text()), finished.stdout + finished.stderr

    return run


def test_lesions_are_forgotten(score, data, tmp_path):
    card, said = score("--task", "ham10000_8x8", "--forget", "subject:300", "--data", data)
    assert (card["forget"], card["epochs"], card["network"]) == ("subject:300", 1, "cnn-16-32-32")
    assert 300 < len(card["epsilons"]) < 600
    assert "near one" in said
    assert (tmp_path / "results" / "ham10000_8x8" / "finetune--subject300,trained1,n4.json").exists()


def test_listed_examples_are_forgotten(score, tmp_path):
    ids = tasks.find("digits").load().training[:25]
    np.savetxt(tmp_path / "ids.txt", ids, fmt="%d")
    card, _ = score("--forget", f"file:{tmp_path / 'ids.txt'}")
    assert [entry["example"] for entry in card["epsilons"]] == sorted(ids)
    assert card["hyperparameters"]["source"] == "published"  # tuned values are for the task as it is


def test_wrong_labels_are_forgotten(score):
    """Networks trained with wrong labels get them right less often where they were not trained on them."""
    card, _ = score("--forget", "mislabelled:0.1", "--epochs", 20)
    assert len(card["epsilons"]) == 45
    assert card["forget_accuracy"]["retrained"] < 0.2 < card["forget_accuracy"]["unlearned"]


def test_a_class_is_forgotten(score):
    card, _ = score("--forget", "class:3", "--epochs", 20)
    assert card["forget_accuracy"]["retrained"] == 0
    assert card["test_accuracy"]["retrained"] < 0.93


def test_a_network_of_timm(score):
    card, said = score("--network", "timm:test_resnet")
    assert card["network"] == "timm:test_resnet"
    assert "timm:test_resnet (1 epochs)" in said


def test_a_folder_of_the_competition(score, tmp_path):
    folder = tmp_path / "kaggle"
    assert kaggle_folder.main(["--out", str(folder), "--epochs", "1"]) == 0
    card, _ = score("--task", "kaggle_layout", "--data", folder)
    assert (card["forget"], card["network"]) == ("own", "resnet18")
    assert len(card["epsilons"]) == 90
    assert set(card["test_age_error"]) == {"unlearned", "retrained"}  # the digits stand for ages there
    assert 0 < card["test_age_error"]["retrained"] < 5


def test_a_missing_data_set_ends_in_a_sentence(tmp_path):
    places = ("--data", tmp_path, "--runs", tmp_path / "runs")
    run = run_script("score.py", "--solution", "finetune", "--task", "ham10000", *places)
    assert run.returncode == 2
    assert "HAM10000_metadata.csv is missing; give the folder that holds" in run.stderr
    assert "Traceback" not in run.stderr


def test_an_unknown_network_ends_in_a_sentence(tmp_path):
    run = run_script("score.py", "--solution", "finetune", "--network", "resnet81", "--runs", tmp_path / "runs")
    assert run.returncode == 2
    assert "There is no network 'resnet81'" in run.stderr


def test_tuned_values_are_refused_for_a_changed_task(tmp_path):
    arguments = ("--forget", "class:1", "--hyperparameters", "tuned", "--runs", tmp_path / "runs")
    run = run_script("score.py", "--solution", "finetune", *arguments)
    assert run.returncode == 2
    assert "finetune is not tuned for version 2 of digits with another forget." in run.stderr


def test_the_list_of_tasks_says_what_is_there(tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").touch()
    run = run_script("score.py", "--list-tasks", "--data", tmp_path)
    assert run.returncode == 0
    rows = {line.split()[0]: line for line in run.stdout.splitlines() if line[1:2].isalpha()}
    assert set(tasks.NAMES) <= rows.keys()
    assert "embedded" in rows["digits"]
    assert " found" in rows["mnist"]
    assert "not found" in rows["svhn"]


def test_the_generator_is_a_command(tmp_path):
    import subprocess

    command = [
        sys.executable,
        "-m",
        "starting_kit.kaggle_folder",
        "--out",
        str(tmp_path / "kaggle"),
        "--forget",
        "none",
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT)
    assert run.returncode == 2
    assert "is not random:FRACTION" in run.stderr
