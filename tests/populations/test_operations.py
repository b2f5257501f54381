"""Counted operations against closed forms."""

import dataclasses

import pytest

from evaluation.populations import operations, weights
from evaluation.populations.population import Population
from starting_kit import contract, tasks
from starting_kit.networks import build
from starting_kit.tasks.task import ONE_AT_A_TIME

TASK = tasks.find("digits")
# cnn-8-16-16 on 8x8 images, forwards: pixels x channels x inputs of each that a convolution gives; then the linear layer.
FIRST = 2 * 64 * 8 * 9
FORWARDS = FIRST + 2 * (16 * 16 * 72 + 16 * 16 * 144 + 16 * 10)


@pytest.fixture
def unlearned(tmp_path):
    """What a solution makes of an untrained network, by its path and settings."""
    original = Population(TASK, "original", 0, tmp_path / "runs", ONE_AT_A_TIME)
    weights.store(original, 0, build(TASK, seed=0).eval(), TASK.load())

    def of(path, *settings):
        return original.unlearned_by(contract.describe(path, list(settings)), "tuple", ONE_AT_A_TIME)

    return of


def counted(unlearned, write_solution, body):
    return operations.of_unlearning(unlearned(write_solution(body)))


def test_a_forward_pass_has_its_products(unlearned, write_solution):
    linear = "layer = torch.nn.Linear(7, 5)\nwith torch.no_grad():\n    layer(torch.ones(3, 7))"
    assert counted(unlearned, write_solution, linear).value == 2 * 3 * 7 * 5
    both_ways = "layer = torch.nn.Linear(7, 5)\nlayer(torch.ones(3, 7, requires_grad=True)).sum().backward()"
    assert counted(unlearned, write_solution, both_ways).value == 3 * 2 * 3 * 7 * 5
    assert counted(unlearned, write_solution, "for weight in net.parameters():\n    weight.data += 1").value == 0


def test_fine_tuning_has_as_many_as_its_share_of_the_epochs(unlearned, tmp_path):
    retrained = operations.of_retraining(Population(TASK, "retrained", 0, tmp_path, ONE_AT_A_TIME))
    backwards = 2 * FORWARDS - FIRST  # images have no gradient
    assert retrained.value == TASK.recipe.epochs * len(TASK.load().retain) * (FORWARDS + backwards)
    for epochs in (1, 3):
        found = operations.of_unlearning(unlearned(contract.find("finetune"), f"epochs={epochs}"))
        assert found.value / retrained.value == pytest.approx(epochs / TASK.recipe.epochs)


@pytest.mark.parametrize("name", ["scl_improved", "kookmin", "salun", "eu_k", "lfssd"])
def test_what_solutions_of_the_zoo_do_is_seen(unlearned, name):
    assert operations.of_unlearning(unlearned(contract.find(name))).value > 0


def test_a_solution_that_fails_only_while_it_is_counted_is_a_reason(unlearned, write_solution):
    body = """from torch.utils._python_dispatch import _get_current_dispatch_mode
if _get_current_dispatch_mode() is not None:
    raise RuntimeError("no modes, please")"""
    found = counted(unlearned, write_solution, body)
    assert found.value is None
    assert found.reason.startswith("the solution fails while its operations are counted: RuntimeError: no modes, please")


def test_an_own_trainer_is_not_counted(tmp_path):
    sisa = contract.describe(contract.find("sisa"), [])
    own = dataclasses.replace(Population(TASK, "retrained", 0, tmp_path, ONE_AT_A_TIME), trainer=sisa)
    assert operations.of_retraining(own).reason == "the operations of a solution's own trainer are not counted by epochs"
