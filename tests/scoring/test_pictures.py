"""--pictures: what a solution makes up, as a PNG beside its scorecard."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import run_script
from evaluation.populations import jobs
from evaluation.populations.runs import Pools
from evaluation.scoring import SILENT, ScoringConfig, experiment, plan
from starting_kit import contract, networks, runner, tasks
from starting_kit.errors import DataWithheldError, InputError, SolutionError

TASK = tasks.find("digits", forget="class:3")
DATA = TASK.load()
SOLUTION = """
import torch
BATCHES = "tuple"

def unlearning(net, retain_loader, forget_loader, val_loader, *, bright=1.0):
    with torch.no_grad():
        net[-1].bias += 0.1 * torch.randn_like(net[-1].bias)

def pictures(net, retain_loader, forget_loader, val_loader, *, bright=1.0):
    steps = torch.arange(6.0).view(2, 3, 1, 1, 1)
    return bright * steps + torch.linspace(0, 9, 8).expand(2, 3, *retain_loader.dataset.image_shape)
"""


def described(tmp_path, text, *settings):
    path = tmp_path / "mine.py"
    path.write_text(text)
    return contract.describe(path, list(settings))


def draw(solution):
    return runner.draw(solution, networks.build(TASK, seed=0), TASK, DATA, "tuple", data_free=True)


def test_pictures_get_the_hyperparameters_and_the_loaders_of_unlearning(tmp_path):
    images = draw(described(tmp_path, SOLUTION, "bright=100"))
    assert images.shape == (2, 3, 1, 8, 8)
    assert images[1, 2, 0, 0, 0] == 500
    with pytest.raises(DataWithheldError, match="mine reads forget images or labels"):
        draw(described(tmp_path, SOLUTION.replace("steps =", "next(iter(forget_loader)); steps =")))


@pytest.mark.parametrize(
    ("returned", "shape"),
    [("torch.zeros(3, 1, 8, 8)", r"\(3, 1, 8, 8\)"), ("None", "NoneType"), ("torch.zeros(0, 1, 1, 8, 8)", "0")],
)
def test_what_is_no_grid_of_images_is_refused(tmp_path, returned, shape):
    text = SOLUTION.split("    steps")[0] + f"    return {returned}\n"
    with pytest.raises(SolutionError, match=rf"pictures returned .*{shape}.*\[rows, columns, channels, height, width\]"):
        draw(described(tmp_path, text))


def test_a_solution_without_pictures_is_refused_before_the_work_begins(tmp_path):
    solution = described(tmp_path, SOLUTION.split("def pictures")[0])
    assert not solution.pictures
    config = ScoringConfig(solution=str(solution.path), pictures=True)
    runners = SimpleNamespace(run=lambda job, *arguments, limit: job(*arguments))
    with pytest.raises(InputError, match=r"--pictures: .*mine\.py makes no images up"):
        plan.make_plan(config, TASK, solution.path, None, Pools(None, runners), SILENT)  # trainers are not asked


@pytest.mark.parametrize("wanted", [False, True])
def test_drawing_is_told_of_only_where_something_is_drawn(monkeypatch, wanted):
    told = []
    telling = SimpleNamespace(notice=None, waiting=lambda title: nullcontext(told.append(title)))
    workers = SimpleNamespace(
        run=lambda job, *arguments, limit=None: b"PNG" if job is jobs.draw else "cpu", start=lambda workers: None
    )
    population = SimpleNamespace(task=SimpleNamespace(forgotten_class=None, original=None), made_by=None, original=None)
    for name in ("LocalProcesses", "runners_of"):
        monkeypatch.setattr(experiment, name, lambda *arguments: nullcontext(workers))
    kinds = ("unlearned", *plan.TRAINED)
    planned = plan.Plan(dict.fromkeys(kinds, population), dict.fromkeys(kinds, 4), "", 10.0)
    replaced = {"make_plan": planned, "sandbox_of": "none", "_measure_cost": None, "_make": [], "_make_originals": None}
    for name, given in replaced.items():
        monkeypatch.setattr(experiment, name, lambda *arguments, given=given: given)
    config = ScoringConfig(solution="mine.py", pictures=wanted)
    made = experiment.run(config, population.task, Path("mine.py"), None, telling, {})
    assert (made.pictures, "Drawing pictures" in told) == ((b"PNG", True) if wanted else (None, False))


@pytest.mark.slow
def test_the_command_writes_a_grid_beside_the_scorecard(tmp_path):
    described(tmp_path, SOLUTION)
    folders = ("--runs", tmp_path / "runs", "--results", tmp_path / "results", "--no-intervals")
    arguments = ("--forget", "class:3", "--models", 4, "--epochs", 1, "--pictures", *folders)
    run = run_script("score.py", "--solution", tmp_path / "mine.py", *arguments)
    assert run.returncode == 0, run.stderr
    (card,) = (tmp_path / "results").rglob("*.json")
    with Image.open(card.with_suffix(".png")) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape[:2] == (2 * 34 + 2, 3 * 34 + 2)  # images of 8x8, each pixel drawn as 4x4, in frames of two pixels
    expected = torch.linspace(0, 255, 8).add(0.5).byte().repeat_interleave(4)
    assert torch.equal(torch.from_numpy(pixels[5, 2:34, 0].copy()), expected)
