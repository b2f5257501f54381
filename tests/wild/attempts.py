"""What score.py does with a solution, up to two models of it."""

import functools
from types import SimpleNamespace

import numpy as np
import torch

from evaluation.populations.population import Population
from evaluation.populations.worker import unlearn
from starting_kit import contract, dry_calls, runner, tasks
from starting_kit.lockstep import proof
from starting_kit.networks import build
from starting_kit.notebooks import extraction
from starting_kit.tasks.task import ONE_AT_A_TIME
from starting_kit.training import train

NETWORKS = {"any": (None, 5), "resnet": ("resnet18:4", 1)}  # and for how many epochs it is trained
CLOSE = 1e-4  # between float32 weights made alone and in lockstep, which differ by rounding


@functools.cache
def start(network):
    """The task, the data, and an original model."""
    name, epochs = NETWORKS[network]
    task = tasks.find("digits", network=name, epochs=epochs)
    data = task.load()
    return SimpleNamespace(task=task, data=data, net=train(task, data, data.training, [0])[0])


def attempt(path, folder, monkeypatch, network="any"):
    """Take a .py file or a notebook through what score.py does with it.

    Returns:
        two models made one at a time, what was said, and why there is no lockstep, if there is none.
    """
    at, notes = start(network), []
    if path.suffix == ".ipynb":
        path, notes = extraction.write(path, (), None, folder / "taken")
    solution = contract.describe(path, ())
    batches = dry_calls.find_batches(solution, at.net, at.task, at.data)
    population = Population(at.task, "original", 0, folder, ONE_AT_A_TIME).unlearned_by(solution, batches, ONE_AT_A_TIME)
    monkeypatch.setattr("evaluation.populations.worker.original_model", lambda *_: copy_of(at))
    models = [unlearn(population, model, at.data) for model in range(2)]
    objection = proof.objection(solution, at.net, at.task, at.data, batches)
    made = SimpleNamespace(at=at, solution=solution, batches=batches, population=population, models=models)
    if objection is None:
        require_the_same_in_lockstep(made)
    lost = [objection] if objection and "does not carry over" in objection else []
    return SimpleNamespace(**vars(made), objection=objection, said=[*notes, *solution.remarks, *lost])


def require_the_same_in_lockstep(made):
    at, seeds = made.at, [made.population.model_seed(model) for model in range(2)]
    nets = [copy_of(at) for _ in seeds]
    together = runner.call_in_lockstep(made.solution, nets, at.task, [at.data] * 2, made.batches, seeds)
    images = torch.from_numpy(at.data.images[:8])
    for alone, side_by_side in zip(made.models, together, strict=True):
        assert distance(alone, side_by_side) < CLOSE
        np.testing.assert_allclose(alone(images).detach(), side_by_side(images).detach(), atol=100 * CLOSE)


def copy_of(at):
    """A network with the weights of the original model."""
    net = build(at.task, seed=0)
    net.load_state_dict(at.net.state_dict())
    return net.eval()


def distance(one, other):
    """The largest difference between the weights of two networks."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return max((a.double() - b.double()).abs().max().item() for a, b in pairs if a.numel())
