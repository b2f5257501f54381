import copy
import dataclasses

import torch

from solutions import fisher
from starting_kit import contract
from trials import DATA, examples, given, logits, loss, unlearn, weights

FEW = dataclasses.replace(DATA, retain=DATA.retain[:10])


def fisher_of_few(net):
    return fisher.fisher_diagonal(copy.deepcopy(net).eval(), [examples(FEW.retain)])


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("fisher"), []).hyperparameters == {
        "share": 1.0,
        "alpha": 1e-6,
        "largest": 1e3,
        "largest_in_head": 1e2,
        "factor": 10.0,
    }


def test_share_is_that_of_the_retain_set(original, monkeypatch):
    seen = []
    monkeypatch.setattr(
        fisher, "fisher_diagonal", lambda net, sample: seen.append(sum(len(labels) for _, labels in sample)) or []
    )
    monkeypatch.setattr(fisher, "noise_variances", lambda *given: [])
    monkeypatch.setattr(fisher, "add_normal_noise", lambda *given: None)
    for share in (1.0, 0.25, 1e-9):
        fisher.unlearning(copy.deepcopy(original), *given(), share=share)
    assert seen == [len(DATA.retain), round(len(DATA.retain) / 4), 1]


def test_noise_has_the_variances_and_mean_zero(original):
    unlearned = unlearn("fisher", original, alpha=1e-4, data=FEW)
    variances = fisher.noise_variances(original, fisher_of_few(original), 1e-4, 1e3, 1e2, 10.0)
    after, before = unlearned.parameters(), original.parameters()
    noise = torch.cat([((a - b) / v.sqrt()).flatten() for a, b, v in zip(after, before, variances, strict=True)])
    assert abs(noise.mean()) < 0.06
    assert abs(noise.std() - 1) < 0.04


def test_noise_lies_where_the_retain_set_does_not_feel_it(original):
    """Noise of the same strength for every weight, of the same power altogether, does more harm to the retain set."""
    retain = FEW.retain
    unlearned = unlearn("fisher", original, alpha=1e-5, data=FEW)
    moved = (weights(unlearned) - weights(original)).norm()
    even = copy.deepcopy(original)
    noise = torch.randn(len(weights(even)), generator=torch.Generator().manual_seed(0))
    torch.nn.utils.vector_to_parameters(weights(even) + noise * moved / noise.norm(), even.parameters())
    assert loss(unlearned, retain) < loss(even, retain)
    assert (logits(unlearned, retain) - logits(original, retain)).norm() < (
        logits(even, retain) - logits(original, retain)
    ).norm()


def test_neither_labels_nor_the_forget_set_enter(original):
    other = dataclasses.replace(FEW, labels=(DATA.labels + 1) % 10, forget=DATA.forget[:5])
    assert torch.equal(*(weights(unlearn("fisher", original, data=data)) for data in (FEW, other)))


def test_frozen_weights_get_no_noise(original):
    net = copy.deepcopy(original)
    net[1].weight.requires_grad_(False)
    unlearned = unlearn("fisher", net, data=FEW)
    assert [torch.equal(a, b) for a, b in zip(net.parameters(), unlearned.parameters(), strict=True)] == [True] + [False] * 10
