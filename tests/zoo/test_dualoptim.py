import copy
import dataclasses

import torch
from torch.nn import functional as F

from solutions import dualoptim, salun
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, accuracy, changed, loss, unlearn, weights

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
    unlearned = unlearn("dualoptim", original, epochs=2, retain_learning_rate=0.05)
    masks = salun.most_salient(copy.deepcopy(original), loaders(TASK, DATA, "tuple")[1], 0.5)
    salient = {name: masks[weight] for (name, _), weight in zip(original.named_parameters(), masks, strict=True)}
    moved = changed(original, unlearned)
    assert sum(moved[name].sum() for name in moved) > 1500  # of 3,778
    assert not any((moved[name] & ~salient[name]).any() for name in moved)


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
    unlearned = unlearn("dualoptim", original, forget_learning_rate=1e-3)
    assert loss(unlearned, DATA.forget) > 10 * loss(original, DATA.forget)
    assert accuracy(unlearned, DATA.retain) > 0.95
