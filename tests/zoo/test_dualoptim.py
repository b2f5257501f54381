import copy
import dataclasses

import torch
from torch.nn import functional as F

from solutions import dualoptim, salun
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, accuracy, changed, loss, unlearn, weights

ONE_BATCH = dataclasses.replace(TASK, loader_batch_size=len(DATA.forget))  # of the forget set
PRECISE = dataclasses.replace(DATA, images=DATA.images.astype("float64"))


def test_defaults():
    assert contract.describe(contract.find("dualoptim"), []).hyperparameters == {
        "fraction": 0.5,
        "epochs": 10,
        "forget_learning_rate": 1e-4,
        "forget_weight_decay": 0.05,
        "retain_learning_rate": 0.01,
        "weight_decay": 5e-4,
    }


def test_step_1_only_the_salient_half_changes(original):
    unlearned = unlearn("dualoptim", original, task=ONE_BATCH, epochs=2, retain_learning_rate=0.05)
    masks = salun.most_salient(copy.deepcopy(original), loaders(ONE_BATCH, DATA, "tuple")[1], 0.5)
    salient, moved = (torch.cat([own.flatten() for own in each.values()]) for each in (masks, changed(original, unlearned)))
    assert moved.sum() == salient.sum() == 1889  # of 3,778
    assert (moved != salient).sum() <= 2  # rounding may swap the last one in for the first one out


def test_step_1_holds_while_forgetting_as_well(original, monkeypatch):
    """Retaining would put the others back, but until then the network would be another one."""
    seen = []
    monkeypatch.setattr(dualoptim, "train_epoch", lambda net, *more: seen.append(copy.deepcopy(net)))
    retain, forget, _ = loaders(ONE_BATCH, DATA, "tuple")
    dualoptim.unlearning(copy.deepcopy(original), retain, forget, None, epochs=2, forget_learning_rate=1e-3)
    moved = torch.cat([own.flatten() for own in changed(original, seen[-1]).values()])
    assert len(seen) == 2
    assert 0.45 * len(moved) < moved.sum() <= 0.5 * len(moved) + 2


def test_step_2_equals_a_plain_loop_with_two_optimisers(original):
    net = copy.deepcopy(original).double()
    naive = copy.deepcopy(net)
    retain, forget, _ = loaders(TASK, PRECISE, "tuple")
    torch.manual_seed(0)
    dualoptim.unlearning(net, retain, forget, None, fraction=1.0, epochs=2, forget_learning_rate=1e-3)
    torch.manual_seed(0)
    salun.most_salient(naive, forget, 1.0)  # shuffles, too
    adaptive = torch.optim.AdamW(naive.parameters(), lr=1e-3, weight_decay=0.05)
    other = torch.optim.SGD(naive.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    naive.train()
    for _ in range(2):
        for loader, optimiser in ((forget, adaptive), (retain, other)):
            for images, labels in loader:
                optimiser.zero_grad()
                z = naive(images)
                wrong = (labels + torch.randint(1, 10, labels.shape)) % 10 if loader is forget else labels
                F.cross_entropy(z, wrong).backward()
                optimiser.step()
    torch.testing.assert_close(weights(net), weights(naive), rtol=0, atol=1e-9)


def test_step_2_forgets_and_keeps_the_retain_set(original):
    """At a rate that 20 steps can do something with; random labels alone would raise both losses alike."""
    unlearned = unlearn("dualoptim", original, forget_learning_rate=3e-3)
    assert loss(unlearned, DATA.forget) > 1.4 * loss(unlearned, DATA.retain)
    assert loss(unlearned, DATA.forget) > 0.5 * loss(unlearned, DATA.validation) > 2 * loss(original, DATA.forget)
    assert accuracy(unlearned, DATA.retain) > 0.98
