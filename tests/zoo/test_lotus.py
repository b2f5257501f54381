import copy
import math

import pytest
import torch
from torch.nn import functional as F

from solutions import lotus
from starting_kit import contract
from trials import DATA, accuracy, given, loss, unlearn, weights


@pytest.fixture
def epochs_of(monkeypatch, original):
    """The epochs of a run whose network has some accuracies: the bound first, then that on the forget set before each epoch."""

    def run(accuracies, **settings):
        epochs = []
        left = iter(accuracies)
        monkeypatch.setattr(lotus, "accuracy", lambda net, loader: next(left))
        monkeypatch.setattr(lotus, "smoothed_epoch", lambda *given: epochs.append(given))
        lotus.unlearning(copy.deepcopy(original), *given(), **settings)
        return epochs

    return run


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("lotus"), []).hyperparameters == {
        "alpha": 2.0,
        "margin": 0.01,
        "retain_share": 0.3,
        "epochs": 10,
        "batch_size": 128,
        "learning_rate": 1e-4,
        "weight_decay": 5e-4,
    }


def test_step_1_the_bound_is_the_originals_accuracy_on_validation_images(original):
    _, forget, validation = given()
    assert lotus.accuracy(original, validation) == accuracy(original, DATA.validation) < 1
    assert lotus.accuracy(original, forget) == accuracy(original, DATA.forget)


def test_step_2_temperatures_follow_the_lead_and_end_below_the_bound(epochs_of):
    temperatures = [given[3] for given in epochs_of([0.9, 1.0, 0.95, 0.895, 0.885, 1.0])]
    assert temperatures == pytest.approx([math.exp(0.2), math.exp(0.1), math.exp(-0.01)])
    assert [given[3] for given in epochs_of([0.5, 1.0], epochs=1, alpha=8.0)] == pytest.approx([math.exp(4)])


def test_step_2_does_nothing_where_nothing_is_known_better(epochs_of):
    assert epochs_of([0.9, 0.88]) == []
    assert len(epochs_of([0.9, 0.88, 0.88], margin=0.05, epochs=2)) == 2


def test_step_3_all_epochs_see_the_forget_set_and_the_same_part_of_the_retain_set(epochs_of):
    loaders = [given[2] for given in epochs_of([0.9] + [1.0] * 3, epochs=3)]
    assert len(set(map(id, loaders))) == 1
    marks = torch.cat([marks for _, marks in loaders[0]])
    assert (marks.sum(), (~marks).sum()) == (90, 108)
    assert len(next(iter(loaders[0]))[0]) == 128


def test_step_3_targets_are_a_gumbel_softmax_or_a_class_drawn():
    logits = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64).log().repeat(4000, 1)
    forget = torch.arange(4000) % 2 == 0
    torch.manual_seed(0)
    found = lotus.targets(logits, forget, 2.0)
    torch.manual_seed(0)
    drawn, noise = (-torch.empty_like(logits).exponential_().log() for _ in range(2))
    torch.testing.assert_close(found[forget], ((logits + noise) / 2).softmax(dim=1)[forget])
    torch.testing.assert_close(found[~forget], F.one_hot((logits + drawn).argmax(dim=1), 3).double()[~forget])
    torch.testing.assert_close(found[~forget].mean(dim=0), logits[0].exp(), rtol=0, atol=0.04)


def test_step_3_equals_a_plain_loop(original):
    net = copy.deepcopy(original).double()
    naive, teacher = copy.deepcopy(net).train(), copy.deepcopy(net).eval()
    loader = [(image.double(), label < 3) for image, label in given()[1]]
    optimisers = [torch.optim.AdamW(each.parameters(), lr=1e-3, weight_decay=5e-4) for each in (net, naive)]
    torch.manual_seed(0)
    lotus.smoothed_epoch(net, teacher, loader, 1.5, optimisers[0])
    torch.manual_seed(0)
    for images, marks in loader:
        optimisers[1].zero_grad()
        wanted = lotus.targets(teacher(images).detach(), marks, 1.5)
        (-(wanted * naive(images).log_softmax(dim=1)).sum(dim=1).mean()).backward()
        optimisers[1].step()
    torch.testing.assert_close(weights(net), weights(naive), rtol=0, atol=1e-9)


def test_forgets_up_to_the_bound_and_keeps_the_retain_set(original):
    """At a rate that does in a few epochs of two batches what the published one needs many for; both losses rise."""
    unlearned = unlearn("lotus", original, learning_rate=3e-3, alpha=32.0)
    assert accuracy(unlearned, DATA.forget) < accuracy(original, DATA.validation) < accuracy(original, DATA.forget)
    assert loss(unlearned, DATA.forget) > 1.2 * loss(unlearned, DATA.retain)
    assert accuracy(unlearned, DATA.retain) > 0.95
