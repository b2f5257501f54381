import copy

import torch

from solutions import finetune
from trials import DATA, given, loss, unlearn, weights


def test_original_changes_nothing(original):
    assert torch.equal(weights(unlearn("original", original)), weights(original))


def test_finetune_lowers_the_retain_loss_and_does_not_read_the_forget_set(original):
    spoiled = copy.deepcopy(original)
    with torch.no_grad():
        spoiled[-1].weight.mul_(0.3)
    before = loss(spoiled, DATA.retain)
    finetune.unlearning(spoiled, given()[0], None, None, epochs=5, learning_rate=0.05)
    assert loss(spoiled, DATA.retain) < before / 2
