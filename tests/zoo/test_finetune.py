import copy

import torch

from solutions import finetune
from trials import DATA, given, loss, unlearn, weights


def test_finetune_lowers_the_retain_loss_and_does_not_read_the_forget_set(original):
    spoiled = copy.deepcopy(original)
    with torch.no_grad():
        spoiled[-1].weight.mul_(0.3)
    before = loss(spoiled, DATA.retain)
    finetune.unlearning(spoiled, given()[0], None, None, epochs=5, learning_rate=0.05)
    assert loss(spoiled, DATA.retain) < before / 2


def test_one_batch_of_all_examples_is_one_step(original):
    by_hand = copy.deepcopy(original).train()
    images, labels = (torch.from_numpy(part[DATA.retain]) for part in (DATA.images, DATA.labels))
    torch.nn.functional.cross_entropy(by_hand(images), labels).backward()
    torch.optim.SGD(by_hand.parameters(), lr=0.1).step()
    in_one = unlearn("finetune", original, epochs=1, learning_rate=0.1, batch_size=len(labels), weight_decay=0.0)
    assert torch.allclose(weights(in_one), weights(by_hand), atol=1e-5)
    assert not torch.allclose(weights(unlearn("finetune", original, learning_rate=0.1)), weights(by_hand), atol=1e-3)
