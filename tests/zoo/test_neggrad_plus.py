import copy

import torch
from torch.nn import functional as F

from solutions import neggrad_plus
from solutions.parts.batches import rebatch
from starting_kit import contract
from trials import DATA, examples, given, loss, unlearn, weights


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("neggrad_plus"), []).hyperparameters == {
        "alpha": 0.95,
        "epochs": 10,
        "learning_rate": 0.01,
        "weight_decay": 0.0,
    }


def test_steps_go_along_the_weighted_difference_of_the_two_gradients_without_momentum(original):
    net, by_hand = copy.deepcopy(original), copy.deepcopy(original).train()
    retain, forget = (rebatch(loader, 512) for loader in given()[:2])  # one batch each
    neggrad_plus.unlearning(net, retain, forget, None, alpha=0.7, epochs=3, learning_rate=0.1)
    for _ in range(3):
        parts = zip((0.7, -0.3), (examples(DATA.retain), examples(DATA.forget)), strict=True)
        losses = [factor * F.cross_entropy(by_hand(images), labels) for factor, (images, labels) in parts]
        gradients = torch.autograd.grad(sum(losses), list(by_hand.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(by_hand.parameters(), gradients, strict=True):
                weight -= 0.1 * gradient
    torch.testing.assert_close(weights(net), weights(by_hand), rtol=0, atol=1e-6)
    assert (weights(net) - weights(original)).abs().max() > 1e-4


def test_every_retain_batch_is_paired_with_a_forget_batch(original):
    """The retain set has 6 batches, the forget set 2: it is gone through three times in each epoch."""
    unlearned = unlearn("neggrad_plus", original)
    assert unlearned[2].num_batches_tracked - original[2].num_batches_tracked == 2 * 6 * 10


def test_the_forget_loss_rises_above_the_retain_loss(original):
    unlearned = unlearn("neggrad_plus", original, alpha=0.6, learning_rate=0.1)
    assert loss(unlearned, DATA.forget) > 10 * loss(original, DATA.forget)
    assert loss(unlearned, DATA.forget) > 1.5 * loss(unlearned, DATA.retain)
