import copy

import pytest
import torch
from torch.nn import functional as F

from solutions import gradient_ascent
from starting_kit import contract
from starting_kit.training import train
from trials import DATA, TASK, given, loss, unlearn


def test_orthogonal_component_is_orthogonal_and_keeps_the_rest():
    vector, to = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rest = gradient_ascent.orthogonal_component(vector, to)
    assert abs(rest @ to) < 1e-9
    torch.testing.assert_close(rest + (vector @ to) / (to @ to) * to, vector)
    torch.testing.assert_close(gradient_ascent.orthogonal_component(vector, torch.zeros_like(to)), vector)


def test_rounds_are_spelt_out():
    assert gradient_ascent.parse_rounds("12F-3R-1R") == [(12, "F"), (3, "R"), (1, "R")]
    with pytest.raises(ValueError, match="must read like 3F-1R"):
        gradient_ascent.parse_rounds("3F,1R")


def test_published_values_are_the_defaults():
    """`unlearning` in neurips-machine-unlearning-gradient-ascent.ipynb of hishamcse/NeurIPS_Machine_Unlearning."""
    values = contract.describe(contract.find("gradient_ascent"), []).hyperparameters
    assert values == {"rounds": "12F-3R-1R", "learning_rates": [2e-3, 2e-3, 1e-3], "project": True}


def test_runs_the_epochs_in_their_order_with_their_learning_rates(original, monkeypatch):
    seen, (retain, forget, val) = [], given()
    monkeypatch.setattr(
        gradient_ascent, "one_epoch", lambda net, loader, other, step, project: seen.append((loader, other, step))
    )
    gradient_ascent.unlearning(copy.deepcopy(original), retain, forget, val)
    assert seen == [(forget, retain, 2e-3)] * 12 + [(retain, forget, -2e-3)] * 3 + [(retain, forget, -1e-3)]
    with pytest.raises(ValueError, match="zip"):
        gradient_ascent.unlearning(copy.deepcopy(original), retain, forget, val, rounds="12F-3R")


def test_every_tensor_moves_by_the_learning_rate_along_its_part_of_the_orthogonal_component():
    """Scaled tensor by tensor; over all weights together most tensors would hardly move."""
    net = train(TASK, DATA, DATA.retain, [1])[0].double()  # its forget loss is not flat
    retain, forget = ([(images.double(), labels)] for images, labels in (next(iter(loader)) for loader in given()[:2]))
    moved = copy.deepcopy(net)
    gradient_ascent.one_epoch(moved, forget, retain, 0.01, project=True)
    f, r = (
        torch.autograd.grad(F.cross_entropy(net(part[0][0]), part[0][1]), list(net.parameters())) for part in (forget, retain)
    )
    factor = sum((a * b).sum() for a, b in zip(f, r, strict=True)) / sum((b * b).sum() for b in r)
    for before, after, own, other in zip(net.parameters(), moved.parameters(), f, r, strict=True):
        component = own - factor * other
        torch.testing.assert_close(after - before, 0.01 * component / component.norm(), rtol=1e-6, atol=1e-9)
        assert (after - before).norm().item() == pytest.approx(0.01)


def test_plain_ascent_raises_the_forget_loss(original):
    ascended = unlearn("gradient_ascent", original, rounds="5F", project=False, learning_rates=(0.05,))
    assert loss(ascended, DATA.forget) > 5 * loss(original, DATA.forget)
