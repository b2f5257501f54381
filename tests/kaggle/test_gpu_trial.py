"""What would fail on Kaggle's GPU, found without one."""

import dataclasses

import pytest
import torch

from conftest import PROJECT
from evaluation.reports.console import ConsoleReporter
from evaluation.scoring import submission_check
from starting_kit import contract
from starting_kit.errors import SolutionError
from starting_kit.kaggle import pretended_gpu as gpu
from starting_kit.networks import build
from starting_kit.tasks.casia_surf import TASK

pytestmark = pytest.mark.skipif(not gpu.is_possible(), reason="this PyTorch cannot pretend to have a GPU")

STEP = """
import copy, torch, numpy as np
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

def step(net, images, labels, optimiser):
    optimiser.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    optimiser.step()
    return loss

def unlearning(net, retain, forget, val):
    device = next(net.parameters()).device
    assert device.type == "cuda" and torch.cuda.is_available()
    optimiser = torch.optim.Adam(net.parameters())
    net.train()
"""
RIGHT = """
    for images, labels in retain:
        images, labels = images.to(device), labels.to("cuda")
        step(net, images, labels, optimiser)
"""
FORGETS = """
    for images, labels in retain:
        step(net, images, labels, optimiser)
"""
OWN_LOADER = """
    for images, labels in DataLoader(retain.dataset, batch_size=4, shuffle=True):
        step(net, images, labels, optimiser)
"""
# Shapes that depend on values, copies, wrappers, and everything else that says nothing of devices.
OF_VALUES = """
    teacher, total = copy.deepcopy(net).eval(), 0.0
    for images, labels in retain:
        images, labels = images.cuda(), labels.cuda()
        total += step(net, images, labels, optimiser).item()
        if total > 0 and (labels == 3).any():
            net(images[labels == 3].repeat(2, 1, 1, 1))
        assert teacher(images).argmax(1).cpu().numpy().shape == (len(labels),)
        noise = torch.randn_like(images) + torch.zeros(len(images), 1, 1, 1, device=device) + torch.tensor(1.0)
        assert noise.is_cuda and noise[torch.randperm(2)].device == device
    assert total > 0
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    scaler = torch.amp.GradScaler("cuda")
    with torch.autocast("cuda"):
        scaler.scale(net(images).mean()).backward()
    scaler.step(optimiser)
    net.load_state_dict({name: value.clone() for name, value in teacher.state_dict().items()})
    torch.cuda.synchronize()
    return torch.compile(nn.DataParallel(net))
"""


@pytest.fixture
def decide(write_solution, monkeypatch):
    """Whether the notebook's loaders must move batches, and what the user is told; on a small network."""
    small = dataclasses.replace(TASK, network="cnn-8-16-16", image_shape=(3, 8, 8))
    monkeypatch.setattr(submission_check, "COMPETITION", small)

    def decided(text, whole=False):
        solution = contract.describe(write_solution(text if whole else STEP + text, whole=True), [])
        told = []
        reporter = ConsoleReporter()
        monkeypatch.setattr(reporter, "notice", told.append)
        return submission_check.must_move_batches(solution, "tuple", reporter), told

    return decided


@pytest.mark.parametrize("text", [RIGHT, OF_VALUES])
def test_who_brings_batches_to_the_network_keeps_the_competitions_loaders(decide, text):
    assert decide(text) == (False, [])


def test_the_template_does(decide):
    assert decide((PROJECT / "starting_kit" / "solution_template.py").read_text(), whole=True) == (False, [])


def test_where_batches_stay_on_the_cpu_the_notebooks_loaders_move_them(decide):
    move, (notice,) = decide(FORGETS)
    assert move
    assert "the notebook's loaders do it (MOVE_BATCHES = True)" in notice


def test_what_moving_batches_does_not_mend_is_refused_with_its_line(decide):
    with pytest.raises(
        SolutionError, match=r"fail on Kaggle's GPU: .*same device.* \(mine.py, line \d+: loss = F.cross_entropy"
    ):
        decide(OWN_LOADER)
    with pytest.raises(SolutionError, match=r"can't convert cuda:0 device type tensor to numpy.*line \d+: for x, y in"):
        decide("    for x, y in retain: net(x.to(device)).detach().numpy()")
    with pytest.raises(SolutionError, match=r"line \d+: weights = torch.ones\(10\) \* net"):
        decide(RIGHT + "    weights = torch.ones(10) * net(images)")


def test_an_error_of_another_kind_is_none_of_devices(decide):
    move, (notice,) = decide(RIGHT + "    torch.cuda.Stream()")
    assert not move
    assert "tried as on one only up to here" in notice


def test_a_long_call_is_tried_in_part(decide, monkeypatch):
    monkeypatch.setattr(gpu, "MOST_OPERATIONS", 300)
    assert decide("    while True: net(next(iter(retain))[0].to(device))") == (False, [])


def test_nothing_is_left_of_it(decide):
    before = torch.cuda.is_available(), torch.cuda.device_count(), torch.compile
    decide(RIGHT)
    assert (torch.cuda.is_available(), torch.cuda.device_count(), torch.compile) == before
    net = build(dataclasses.replace(TASK, network="cnn-8-16-16", image_shape=(3, 8, 8)), seed=0)
    weight = next(net.parameters())
    assert net.double() is net
    assert next(net.parameters()) is weight, "an optimiser of before would train something else"


@pytest.mark.parametrize(
    ("text", "together"),
    [
        ("a + b", False),
        ("a @ b", False),
        ("a + b.sum()", True),
        ("a + b[0, 0]", True),
        ("torch.cat([a, b])", False),
        ("a[torch.tensor([0, 1])]", True),
        ("b[torch.tensor([0, 1], device='cuda')]", False),
        ("a.copy_(b)", True),
        ("b.copy_(a)", True),
        ("a.cpu() + b", True),
        ("a + b.to(a)", True),
        ("a.add_(1) + torch.ones_like(a)", True),
        ("torch.where(a > 0, a, 0.0)", True),
    ],
)
def test_what_may_lie_apart(text, together):
    with gpu.pretended_gpu():
        a, b = torch.ones(2, 2, device="cuda"), torch.ones(2, 2)
        if together:
            assert eval(text, {"a": a, "b": b, "torch": torch}) is not None
        else:
            with pytest.raises(gpu.DeviceMismatchError):
                eval(text, {"a": a, "b": b, "torch": torch})
