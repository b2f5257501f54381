"""What is taken out of a notebook, on notebooks of the shapes that the competition's have."""

import json
from pathlib import Path

import pytest

from conftest import run_script
from starting_kit import contract, kaggle_folder, loading
from starting_kit.errors import InputError, RunError
from starting_kit.notebooks import extraction

IMPORTS = """
import os
import subprocess
import pandas as pd
import not_installed_here
from also_not_here import something
import torch, numpy as np
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
"""
LOADING = """
class HiddenDataset(Dataset):
    def __init__(self, split="train"):
        self.examples = pd.read_csv(f"/kaggle/input/neurips-2023-machine-unlearning/{split}.csv")

def get_dataset(batch_size):
    splits = ("retain", "forget", "validation")
    return [DataLoader(HiddenDataset(split), batch_size=batch_size, shuffle=True) for split in splits]

if DEVICE != "cuda":
    raise RuntimeError("Make sure you have added an accelerator")
"""
UNLEARNING = """
def unlearning(net, retain_loader, forget_loader, val_loader):
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.01)
    net.train()
    for sample in retain_loader:
        inputs, targets = sample["image"].to(DEVICE), sample["age_group"].to(DEVICE)
        optimizer.zero_grad()
        criterion(net(inputs), targets).backward()
        optimizer.step()
    net.eval()
"""
SUBMITTING = """
if os.path.exists("/kaggle/input/neurips-2023-machine-unlearning/empty.txt"):
    subprocess.run("touch submission.zip", shell=True)
else:
    os.makedirs("/kaggle/tmp", exist_ok=True)
    retain_loader, forget_loader, validation_loader = get_dataset(64)
    net = resnet18(weights=None, num_classes=10)
    for i in range(512):
        net.load_state_dict(torch.load("/kaggle/input/neurips-2023-machine-unlearning/original_model.pth"))
        unlearning(net, retain_loader, forget_loader, validation_loader)
        torch.save(net.state_dict(), f"/kaggle/tmp/unlearned_checkpoint_{i}.pth")
    subprocess.run("zip submission.zip /kaggle/tmp/*.pth", shell=True)
"""
KAGGLE = (IMPORTS, LOADING, UNLEARNING, SUBMITTING)
SIGNATURE = "def unlearning(net, retain, forget, validation):\n    "


@pytest.fixture
def notebook(tmp_path):
    """Write a notebook of these code cells, with a text cell first."""

    def write(*cells, name="mine"):
        text = {"cell_type": "markdown", "metadata": {}, "source": ["# My submission\n", "def unlearning"]}
        code = [{"cell_type": "code", "metadata": {}, "source": cell.splitlines(keepends=True)} for cell in cells]
        path = tmp_path / f"{name}.ipynb"
        path.write_text(json.dumps({"cells": [text, *code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
        return path

    return write


@pytest.fixture
def load(notebook, tmp_path):
    """The module that comes out of a notebook of these cells."""

    def extract(*cells, settings=(), competition=None, remarks=0):
        path = notebook(*cells)
        file, said = extraction.write(path, settings, competition, tmp_path / "out")
        assert len(said) == remarks, said
        return loading.load(file)

    return extract


def test_only_what_unlearning_uses_is_kept(load):
    module = load(*KAGGLE)
    assert module.DEVICE == "cpu"
    assert {name for name in vars(module) if not name.startswith("__")} == {"torch", "nn", "optim", "DEVICE", "unlearning"}


def test_the_function_is_the_notebooks_own_text(notebook):
    text, _ = extraction.extract(notebook(IMPORTS, UNLEARNING), [], None)
    assert UNLEARNING.strip() in text


def test_helpers_classes_and_constants_are_followed(load):
    cells = (
        "rate = 0.5\nRATES = [rate, 2 * rate]\nunused = 1 / 0",
        "class Loss:\n    factor = RATES[1]\n    def __call__(self, x):\n        return scale(x) * self.factor",
        "def scale(x):\n    unused_name = 3\n    return shift(x) + 1",
        f"{SIGNATURE}return Loss()(net)",
        "shift = lambda x: x + OFFSET  # defined below, which is early enough",
        "OFFSET = 10",
    )
    assert load(*cells).unlearning(1, None, None, None) == 12.0


def test_the_last_definition_counts(load):
    assert load(f"{SIGNATURE}return 1", f"{SIGNATURE}return 2").unlearning(0, 0, 0, 0) == 2
    wrapped = "def twice(f):\n    return lambda *given: 2 * f(*given)\nunlearning = twice(unlearning)"
    assert load(f"{SIGNATURE}return 3", wrapped).unlearning(0, 0, 0, 0) == 6


@pytest.mark.parametrize(("settings", "result"), [((), "mock"), (("test=False",), "real"), (("test=0",), "real")])
def test_guards_are_decided_by_the_notebook_or_by_the_user(load, settings, result):
    cell = f"if not test:\n    {SIGNATURE}    return 'real'\nelse:\n    {SIGNATURE}    return 'mock'"
    assert load("test: bool = True", cell, settings=settings).unlearning(0, 0, 0, 0) == result


def test_a_constant_that_the_user_sets_is_set_for_functions_too(load):
    cells = ("epochs = 3\nhalf = epochs / 2", f"{SIGNATURE}return epochs, half")
    assert load(*cells).unlearning(0, 0, 0, 0) == (3, 1.5)
    assert load(*cells, settings=["epochs=8"]).unlearning(0, 0, 0, 0) == (8, 4.0)


def test_what_the_mock_run_does_is_not_what_is_submitted(load):
    guarded = (
        f"if os.path.exists('/kaggle/input/x/empty.txt'):\n    {SIGNATURE}    return 'mock'\nelse:\n    {SIGNATURE}    return 1"
    )
    assert load("import os", guarded).unlearning(0, 0, 0, 0) == 1


def test_magics_and_shell_lines_are_skipped(load):
    cells = (
        "%matplotlib inline\n!pip install timm\nx = 5 % 3\n%load_ext autoreload",
        "%%bash\nrm -rf /",
        "%%time\nfiles = !ls\ny = x",
        f"if x:\n    %time z = 1\n{SIGNATURE}return '%d' % y\nunlearning?",
    )
    assert load(*cells).unlearning(0, 0, 0, 0) == "2"


def test_a_cell_that_is_no_python_is_left_out_with_a_remark(load):
    assert load("for is not", f"{SIGNATURE}return 1", remarks=1).unlearning(0, 0, 0, 0) == 1


def test_networks_stay_on_the_cpu(load):
    body = "x = torch.ones(2).cuda()\n    y = x.to('cuda:0').to(device)\n    return y.cuda(non_blocking=True).device.type"
    assert load("import torch\ndevice = torch.device('cuda')", SIGNATURE + body).unlearning(0, 0, 0, 0) == "cpu"


def test_further_arguments_of_the_submission_are_passed_on(load):
    function = "def unlearning(net, retain, forget, validation, rate=0.1, weights=None):\n    return rate, weights"
    call = "RATE = 0.5\nfor i in range(512):\n    net = unlearning(net, a, b, c, RATE, weights=[1, 2])"
    assert load(function, call).unlearning(0, 0, 0, 0) == (0.5, [1, 2])
    assert load(function).unlearning(0, 0, 0, 0) == (0.1, None)


WEIGHTS = """
import json
with open("/kaggle/input/neurips-2023-machine-unlearning/age_class_weights.json") as f:
    counts = json.load(f)
weights = [counts[str(key)] for key in range(len(counts))]
weights = [1 / count for count in weights]
"""


def test_class_weights_come_from_the_competitions_folder(load, tmp_path):
    (tmp_path / "age_class_weights.json").write_text('{"0": 2, "1": 4}')
    cells = (WEIGHTS, f"{SIGNATURE}return weights")
    assert load(*cells, competition=tmp_path).unlearning(0, 0, 0, 0) == [0.5, 0.25]
    with pytest.raises(InputError, match=r"mine.ipynb: unlearning needs what cell 1: with open.* reads a file \(if it is the"):
        load(*cells)


def test_weights_that_cannot_be_had_are_not_passed(load, tmp_path):
    (tmp_path / "age_class_weights.json").write_text('{"0": 2, "1": 4}')
    function = "def unlearning(net, retain, forget, validation, weights=None):\n    return weights"
    cells = (WEIGHTS, function, "net = unlearning(net, a, b, c, weights=weights)")
    assert load(*cells, competition=tmp_path).unlearning(0, 0, 0, 0) == [0.5, 0.25]
    assert load(*cells, remarks=1).unlearning(0, 0, 0, 0) is None


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("thing = torch.load('weights.pth')", "torch.load reads a file"),
        ("thing = requests.get('http://x').json()", "requests.get downloads"),
        ("thing = DataLoader([1, 2])", "DataLoader loads data"),
        ("thing = subprocess.run('ls')", "subprocess.run starts a program"),
        ("def make():\n    loss.backward()\nthing = make()", "loss.backward trains"),
    ],
)
def test_what_would_be_executed_for_a_name_is_refused(load, cell, what):
    with pytest.raises(
        InputError, match=rf"unlearning needs what cell 1: thing = .* makes, and {what}.*, which is not executed"
    ):
        load(cell, f"{SIGNATURE}return thing")
    assert load(cell, f"{SIGNATURE}return 1").unlearning(0, 0, 0, 0) == 1


def test_modules_beside_the_notebook_come_along(load, tmp_path):
    (tmp_path / "helpers_of_mine.py").write_text("from more_of_mine import two\none = two / 2\n")
    (tmp_path / "more_of_mine.py").write_text("two = 2\n")
    assert load("from helpers_of_mine import *", f"{SIGNATURE}return one").unlearning(0, 0, 0, 0) == 1
    assert sorted(path.name for path in (tmp_path / "out" / "mine").iterdir())[:2] == ["helpers_of_mine.py", "mine.py"]
    assert (tmp_path / "out" / "mine" / "more_of_mine.py").exists()


def test_it_may_be_written_to_a_relative_folder(notebook, tmp_path, monkeypatch):
    notebook(f"{SIGNATURE}pass")
    monkeypatch.chdir(tmp_path)
    file, _ = extraction.write(Path("mine.ipynb"), [], None, Path("runs"))
    assert contract.describe(file, []).path == tmp_path / "runs" / "mine" / "mine.py"


@pytest.mark.parametrize(
    ("cells", "settings", "message"),
    [
        (("x = 1",), [], r"mine.ipynb defines no function unlearning that is used when submitting\.$"),
        ((f"if False:\n    {SIGNATURE}    pass",), [], r"submitting; --define NAME=VALUE decides guards\.$"),
        ((f"{SIGNATURE}pass",), ["tests=1"], "--define tests=...: nothing in"),
        ((f"{SIGNATURE}pass",), ["test"], "--define test is not of the form name=value"),
    ],
)
def test_what_is_wrong_is_said(load, cells, settings, message):
    with pytest.raises(InputError, match=message):
        load(*cells, settings=settings)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cells": [{"cell_type": "code"}]}'])
def test_a_file_that_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "mine.ipynb"
    path.write_text(content)
    with pytest.raises(InputError, match="is no Jupyter notebook"):
        extraction.extract(path, [], None)


def test_a_folder_that_cannot_be_written(notebook, tmp_path):
    (tmp_path / "notebooks").touch()
    with pytest.raises(RunError, match="cannot be written: Not a directory"):
        extraction.write(notebook(*KAGGLE), [], None, tmp_path / "notebooks")


# --- the whole command


@pytest.mark.slow
def test_a_notebook_is_scored(score, notebook, tmp_path):
    finished = score("--solution", notebook(*KAGGLE, name="kaggle_kit"), "--json", tmp_path / "card.json")
    assert finished.returncode == 0, finished.stderr
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["solution"] == "kaggle_kit"
    assert card["engine"]["unlearning"] == "lockstep"


@pytest.mark.slow
def test_a_notebook_with_class_weights_is_scored_on_its_folder(notebook, tmp_path):
    folder = tmp_path / "kaggle"
    assert kaggle_folder.main(["--out", str(folder), "--epochs", "1"]) == 0
    function = UNLEARNING.replace("val_loader)", "val_loader, weights=None)").replace("Loss()", "Loss(weight=weights)")
    passed = "weights = torch.tensor(weights)\nunlearning(net, a, b, c, weights=weights)"
    path = notebook(IMPORTS, LOADING, WEIGHTS, function, passed)
    places = ("--runs", tmp_path / "runs", "--results", tmp_path / "results", "--json", tmp_path / "card.json")
    arguments = ("--task", "kaggle_layout", "--data", folder, "--models", 4, "--epochs", 1)
    finished = run_script("score.py", "--solution", path, *arguments, *places)
    assert finished.returncode == 0, finished.stderr
    assert json.loads((tmp_path / "card.json").read_text())["hyperparameters"]["values"] == {"weights": "<Tensor>"}


def test_define_is_for_notebooks(score):
    finished = score("--solution", "finetune", "--define", "test=False")
    assert finished.returncode == 2
    assert "--define test=False is for notebooks" in finished.stderr
