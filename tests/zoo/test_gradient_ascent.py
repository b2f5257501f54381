import copy

import pytest
import torch
from torch.nn import functional as F

from solutions import gradient_ascent
from starting_kit.training import train
from trials import DATA, TASK, given, loss, unlearn, weights


def test_orthogonal_component_is_orthogonal_and_keeps_the_rest():
    vector, to = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rest = gradient_ascent.orthogonal_component(vector, to)
    assert abs(rest @ to) < 1e-9
    torch.testing.assert_close(rest + (vector @ to) / (to @ to) * to, vector)
    torch.testing.assert_close(gradient_ascent.orthogonal_component(vector, torch.zeros_like(to)), vector)


def test_rounds_are_spelt_out():
    assert gradient_ascent.parse_rounds("3F-1R-2F-1R-2F-1R") == "FFFRFFRFFR"
    with pytest.raises(ValueError, match="must read like 3F-1R"):
        gradient_ascent.parse_rounds("3F,1R")


def test_every_step_has_the_length_of_the_learning_rate(original):
    net = copy.deepcopy(original)
    retain, forget, _ = given()
    batches = [next(iter(forget))]
    gradient_ascent.one_epoch(net, batches, retain, 0.01, project=True)
    assert (weights(net) - weights(original)).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_a_step_leaves_the_other_loss_alone_only_with_projection():
    net = train(TASK, DATA, DATA.retain, [1])[0].double()  # its forget loss is not flat
    retain, forget, _ = ([(images.double(), labels)] for images, labels in (next(iter(loader)) for loader in given()))

    def change(project):
        moved = copy.deepcopy(net)
        gradient_ascent.one_epoch(moved, forget, retain, 1e-4, project)
        return [batch_loss(moved, part) - batch_loss(net, part) for part in (forget[0], retain[0])]

    def batch_loss(model, batch):
        return F.cross_entropy(model(batch[0]), batch[1]).item()

    (forget_change, retain_change), (_, whole_retain_change) = change(project=True), change(project=False)
    assert forget_change > 0
    assert abs(retain_change) < abs(whole_retain_change) / 10


def test_plain_ascent_raises_the_forget_loss(original):
    ascended = unlearn("gradient_ascent", original, rounds="5F", project=False, learning_rate=0.1)
    assert loss(ascended, DATA.forget) > 5 * loss(original, DATA.forget)
