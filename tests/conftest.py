import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from starting_kit import tasks
from starting_kit.training import train

PROJECT = Path(__file__).resolve().parents[1]
PLAIN = PROJECT / "tests" / "plain_solutions"  # by authors who know nothing of lockstep

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Decoded pictures are not looked for in the user's cache."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def data():
    """The folder of data sets that are not embedded."""
    folder = Path(os.environ.get("UNLEARNING_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("data sets that are not embedded are needed; $UNLEARNING_DATA says where they lie")
    return folder


@pytest.fixture(scope="session")
def cifar10_populations(data):
    """Populations that the authors of "Forget with Precision" published."""
    return data / "cifar10_populations"


@pytest.fixture(scope="session")
def original():
    """A trained network of `digits`, for tests that work on copies of it."""
    task = tasks.find("digits")
    data = task.load()
    return train(task, data, data.training, [0])[0]


def run_script(name, *arguments, **options):
    command = [sys.executable, str(PROJECT / "evaluation" / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=1200, **options)


@pytest.fixture(scope="session")
def sixteen(tmp_path_factory):
    """Populations of 16 models of `finetune`, made once by the real command and used by many tests."""
    folder = tmp_path_factory.mktemp("sixteen")
    runs, results = folder / "runs", folder / "results"
    exported = folder / "exported"
    arguments = ("--solution", "finetune", "--models", 16, "--runs", runs, "--results", results, "--workers", 2)
    arguments += ("--export", exported, "--hyperparameters", "published")
    finished = run_script("score.py", *arguments)
    assert finished.returncode == 0, finished.stderr
    path = results / "digits" / "finetune--published,n16.json"
    card = json.loads(path.read_text())
    return SimpleNamespace(
        runs=runs,
        results=results,
        exported=exported,
        populations=sorted((runs / "digits-v2").iterdir()),
        path=path,
        card=card,
        output=finished.stdout,
        log=finished.stderr,
    )


@pytest.fixture
def score(sixteen, tmp_path):
    """Run score.py on 16 models, on the populations that are there, with scorecards in tmp_path."""

    def run(*arguments, **options):
        common = ("--models", 16, "--runs", sixteen.runs, "--results", tmp_path / "results")
        return run_script("score.py", *common, *arguments, **options)

    return run


@pytest.fixture
def write_solution(tmp_path):
    """Write a solution's file: the body of `unlearning`, or a whole file."""

    def write(body, name="mine", whole=False):
        signature = "def unlearning(net, retain_loader, forget_loader, val_loader):\n"
        indented = "".join(f"    {line}\n" for line in body.splitlines())
        path = tmp_path / f"{name}.py"
        path.write_text(body if whole else f"import torch\n\n{signature}{indented}")
        return path

    return write
