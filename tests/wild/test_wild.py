"""Code as people write it is scored, noted or refused as it should be, one model at a time and in lockstep alike."""

import dataclasses
import functools
import re
from pathlib import Path
from types import SimpleNamespace

import jupytext
import nbformat
import numpy as np
import pytest
import torch

from evaluation.populations.population import Population
from evaluation.populations.worker import unlearn
from starting_kit import contract, dry_calls, runner, tasks
from starting_kit.errors import InputError, RunError
from starting_kit.lockstep import proof
from starting_kit.networks import build
from starting_kit.notebooks import extraction
from starting_kit.tasks.task import ONE_AT_A_TIME
from starting_kit.training import train

HERE = Path(__file__).parent
CASES = sorted([*HERE.glob("solutions/*.py"), *HERE.glob("notebooks/*.py")])
CLOSE = 1e-4  # between float32 weights made alone and in lockstep, which differ by rounding


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a case says of itself."""

    verdicts: tuple[tuple[str, tuple[str, ...]], ...]
    network: str
    lockstep: str

    @classmethod
    def of(cls, text):
        found = dict(re.findall(r"^(Verdict|Network|Lockstep): (.*)$", text, re.MULTILINE))
        verdicts = []
        for verdict in found["Verdict"].split(" or "):
            name, words = re.fullmatch(r"(scored|noted|refused)(?: \((.*)\))?", verdict).groups()
            verdicts.append((name, tuple((words or "").split())))
        return cls(tuple(verdicts), found.get("Network", "any"), found.get("Lockstep", ""))

    def require(self, verdict, said):
        """That this is the verdict, for one of the right reasons."""
        for name, words in self.verdicts:
            if name == verdict and all(word in said for word in words):
                return
        pytest.fail(f"expected {self.verdicts}, got {verdict}: {said}")


def notebook(case):
    """The notebook of a case, with the cells that it shares with others."""

    def shared(match):
        return "# %%\n" + (HERE / "kit" / f"{match[1]}.py").read_text(encoding="utf-8")

    text = re.sub(r"^# %% kit: (\w+)$", shared, case.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return jupytext.reads(text, fmt="py:percent")


NETWORKS = {"any": (None, 5), "resnet": ("resnet18:4", 1)}  # and for how many epochs it is trained


@functools.cache
def start(network):
    """The task, the data, and an original model."""
    name, epochs = NETWORKS[network]
    task = tasks.find("digits", network=name, epochs=epochs)
    data = task.load()
    return SimpleNamespace(task=task, data=data, net=train(task, data, data.training, [0])[0])


@pytest.fixture
def try_out(tmp_path, monkeypatch):
    """Take a case through what score.py does with it, up to two models."""

    def attempt(case, expected):
        at = start(expected.network)
        path, notes = tmp_path / case.name, []
        if case.parent.name == "notebooks":
            nbformat.write(notebook(case), tmp_path / f"{case.stem}.ipynb")
            path, notes = extraction.write(tmp_path / f"{case.stem}.ipynb", (), None, tmp_path / "taken")
        else:
            path.write_text(case.read_text(encoding="utf-8"), encoding="utf-8")
        solution = contract.describe(path, ())
        batches = dry_calls.find_batches(solution, at.net, at.task, at.data)
        population = Population(at.task, "original", 0, tmp_path, ONE_AT_A_TIME).unlearned_by(solution, batches, ONE_AT_A_TIME)
        monkeypatch.setattr("evaluation.populations.worker.original_model", lambda *_: build_as(at))
        models = [unlearn(population, model, at.data) for model in range(2)]
        return SimpleNamespace(
            at=at, solution=solution, batches=batches, population=population, models=models, notes=[*notes, *solution.remarks]
        )

    return attempt


def build_as(at):
    """A network with the weights of the original model."""
    net = build(at.task, seed=0)
    net.load_state_dict(at.net.state_dict())
    return net.eval()


def distance(one, other):
    """The largest difference between the weights of two networks."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return max((a.double() - b.double()).abs().max().item() for a, b in pairs if a.numel())


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_gets_its_verdict_one_at_a_time_and_in_lockstep(try_out, case):
    expected = Expected.of(case.read_text(encoding="utf-8"))
    try:
        made = try_out(case, expected)
    except (InputError, RunError) as error:
        expected.require("refused", str(error))
        return
    at, images = made.at, torch.from_numpy(made.at.data.images[:8])
    for net in made.models:
        assert net(images).shape == (8, at.task.classes)
    objection = proof.objection(made.solution, at.net, at.task, at.data, made.batches)
    notes = [*made.notes, *([objection] if objection and "does not carry over" in objection else [])]
    expected.require("noted" if notes else "scored", " ".join(notes))
    if expected.lockstep == "no":
        assert objection
    if objection is None:
        seeds = [made.population.model_seed(model) for model in range(2)]
        nets = [build_as(at) for _ in seeds]
        together = runner.call_in_lockstep(made.solution, nets, at.task, [at.data] * 2, made.batches, seeds)
        for alone, side_by_side in zip(made.models, together, strict=True):
            assert distance(alone, side_by_side) < CLOSE
            np.testing.assert_allclose(alone(images).detach(), side_by_side(images).detach(), atol=100 * CLOSE)


def test_there_are_sixty_cases():
    assert len(CASES) >= 60
    assert all(Expected.of(case.read_text(encoding="utf-8")).verdicts for case in CASES)
