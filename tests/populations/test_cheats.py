"""What a solution does besides unlearning changes neither what is measured of it, nor what is there."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from evaluation.populations import jobs, shards, weights
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Population
from evaluation.populations.runs import Pools, start_of
from starting_kit import contract, tasks
from starting_kit.files import Arrays, read_intact
from starting_kit.networks import build
from starting_kit.tasks.task import ONE_AT_A_TIME

pytestmark = pytest.mark.slow
TASK = tasks.find("digits")
HONEST = """
import torch
from torch.nn import functional as F

def unlearning(net, retain_loader, forget_loader, val_loader):
    before(retain_loader, val_loader)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for images, labels in retain_loader:
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
    after(net, retain_loader)

def before(retain_loader, val_loader):
    pass

def after(net, retain_loader):
    pass
"""
# What a cheat puts in the place of `before` and `after`; each would have paid where evaluation shares a process with it.
CHEATS = {
    "blackens all images, the test set's with them": """
def after(net, retain_loader):
    retain_loader.dataset.memory.images.zero_()
""",
    "makes every label the network's own answer": """
def after(net, retain_loader):
    memory = retain_loader.dataset.memory
    with torch.no_grad():
        memory.labels.copy_(net(memory.images.float()).argmax(dim=1))
""",
    "replaces functions of PyTorch": """
def after(net, retain_loader):
    linear = torch.nn.Linear.forward
    torch.nn.Linear.forward = lambda self, x: 100 * linear(self, x)
    torch.Tensor.argmax = lambda self, dim=None: torch.zeros(len(self), dtype=torch.int64)
    torch.isfinite = lambda x: torch.ones_like(x, dtype=torch.bool)
""",
    "replaces functions of NumPy": """
def after(net, retain_loader):
    import numpy
    numpy.savez = numpy.savez_compressed = numpy.save = lambda *arguments, **named: None
    numpy.unique = numpy.concatenate = lambda *arguments, **named: numpy.zeros(4)
""",
    "replaces functions of this project": """
def after(net, retain_loader):
    from evaluation.populations import model_outputs, worker
    perfect = lambda *arguments, **named: {"accuracy_test": 1.0}
    model_outputs.outputs = model_outputs.logits_of = worker.outputs = worker.outputs_of_logits = perfect
""",
    "changes what PyTorch computes with": """
def after(net, retain_loader):
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    torch.set_num_threads(7)
""",
    "goes elsewhere, and changes the environment": """
def after(net, retain_loader):
    import os, sys
    os.chdir("/")
    os.environ.clear()
    sys.path.clear()
""",
    "watches its callers and takes what they know": """
def before(retain_loader, val_loader):
    import gc, sys
    frame = sys._getframe()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == "Data":
                assert not value.labels[value.test].any(), "the test labels are known"
        frame = frame.f_back
    for value in gc.get_objects():
        if type(value).__name__ == "Data":
            assert not value.labels[value.test].any(), "the test labels are known"
""",
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Population:
    population = Population(TASK, "original", 0, tmp_path_factory.mktemp("cheats") / "runs", ONE_AT_A_TIME)
    weights.store(population, 0, build(TASK, seed=0).eval(), TASK.load())
    return population


@pytest.fixture(scope="module")
def trainers() -> Iterator[LocalProcesses]:
    with LocalProcesses(1, print, partial(jobs.get_ready, TASK)) as processes:
        yield processes


Outcome = Callable[[str], Arrays]


@pytest.fixture
def outputs(original: Population, trainers: LocalProcesses, tmp_path: Path) -> Outcome:
    """What is stored of the model that a solution with these functions makes."""

    def of(functions: str) -> Arrays:
        path = tmp_path / "mine.py"
        path.write_text(HONEST + functions)
        population = original.unlearned_by(contract.describe(path, []), "tuple", ONE_AT_A_TIME)
        with LocalProcesses(1, print, partial(jobs.get_ready_for_solutions, TASK), path) as runners:
            assert shards.make(population, 1, Pools(trainers, runners), lambda newly: None, print) == []
        stored = read_intact(population.shard_path(0))
        assert stored is not None
        return stored

    return of


@pytest.fixture(scope="module")
def honest_outputs() -> dict[str, Arrays]:
    return {}


@pytest.mark.parametrize("name", CHEATS)
def test_it_is_evaluated_as_one_that_does_no_more_than_it_should(
    outputs: Outcome, honest_outputs: dict[str, Arrays], name: str
) -> None:
    if not honest_outputs:
        honest_outputs["of"] = outputs("")
    found, honest = outputs(CHEATS[name]), honest_outputs["of"]
    assert found.keys() == honest.keys()
    for array in found:
        np.testing.assert_array_equal(found[array], honest[array], err_msg=array)


# Where a module looks its clock up, a solution can stop it.
STOPPED_CLOCKS = """
def before(retain_loader, val_loader):
    import os, time
    time.time = time.perf_counter = time.process_time = time.monotonic = time.thread_time = lambda: 0.0
    os.times = lambda: os.times_result((0.0,) * 5)
    number = 0
    for _ in range(3_000_000):
        number += 1
"""


def test_a_solution_that_stops_the_clocks_is_timed_all_the_same(original: Population, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(HONEST + STOPPED_CLOCKS)
    population = original.unlearned_by(contract.describe(path, []), "tuple", ONE_AT_A_TIME)
    with LocalProcesses(1, print, partial(jobs.get_ready_for_solutions, TASK), path) as runners:
        for model in range(2):  # the first call stops them
            seconds = runners.run(jobs.time_unlearning, population, model, start_of(population, [model]), limit=60)
            assert 0.02 < seconds < 60


LATE = """
import time

def unlearning(net, retain_loader, forget_loader, val_loader):
    return Late(net)

class Late(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.is_done = net, False

    def forward(self, images):
        if not self.is_done:
            end, self.is_done = time.process_time() + 0.5, True
            while time.process_time() < end:
                pass
        return self.net(images)
"""


def test_a_solution_that_unlearns_when_it_is_evaluated_is_timed_there(original: Population, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(HONEST + LATE)
    population = original.unlearned_by(contract.describe(path, []), "tuple", ONE_AT_A_TIME)
    with LocalProcesses(1, print, partial(jobs.get_ready_for_solutions, TASK), path) as runners:
        assert runners.run(jobs.time_unlearning, population, 0, start_of(population, [0]), limit=60) >= 0.5
