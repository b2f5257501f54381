import copy
import dataclasses

import torch
from torch.nn import functional as F

from solutions import salun
from starting_kit import contract
from trials import DATA, accuracy, changed, examples, given, unlearn


def salience(net):
    """For each weight, by name, the absolute value of the forget loss's gradient, in one backward pass."""
    net = copy.deepcopy(net).eval()
    images, labels = examples(DATA.forget)
    F.cross_entropy(net(images), labels).backward()
    return {name: weight.grad.abs() for name, weight in net.named_parameters()}


def together(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors.values()])


def test_published_values_are_the_defaults():
    values = contract.describe(contract.find("salun"), []).hyperparameters
    assert values == {"fraction": 0.5, "epochs": 10, "learning_rate": 0.013, "weight_decay": 5e-4}


def test_step_1_lets_exactly_the_weights_with_the_largest_gradients_change(original):
    moved = together(changed(original, unlearn("salun", original, fraction=0.2, epochs=1)))
    saliences = together(salience(original))
    count = round(0.2 * len(saliences))
    naive = saliences >= saliences.sort(descending=True).values[count - 1]
    assert moved.sum() == count
    assert (moved != naive).sum() <= 2  # rounding may swap the last one in for the first one out


def test_salience_is_read_without_moving_the_statistics_of_batch_norm(original):
    net = copy.deepcopy(original).train()
    salun.most_salient(net, given()[1], 0.5)
    for before, after in zip(original.buffers(), net.buffers(), strict=True):
        assert torch.equal(before, after)


def test_step_2_gives_forget_examples_wrong_labels(original):
    few = dataclasses.replace(DATA, retain=DATA.retain[:60], forget=DATA.forget[:30])  # soon learnt by heart
    unlearned = unlearn("salun", original, data=few, fraction=1, epochs=50, learning_rate=0.05)
    assert accuracy(unlearned, few.forget) < 0.1


def test_step_3_trains_on_the_retain_set_too(original):
    broken = copy.deepcopy(original)
    with torch.no_grad():
        broken[-1].weight.normal_(generator=torch.Generator().manual_seed(0))
    repaired = unlearn("salun", broken, learning_rate=0.05)
    assert accuracy(broken, DATA.retain) < 0.3
    assert accuracy(repaired, DATA.retain) > 0.6


def test_step_3_leaves_every_other_weight_bit_for_bit(original):
    """Masked gradients would not: weight decay moves a weight whose gradient is zero, and so does momentum."""
    unlearned = unlearn("salun", original, weight_decay=0.1)
    saliences = salience(original)
    median = together(saliences).median()
    for name, moved in changed(original, unlearned).items():
        assert not moved[saliences[name] < 0.999 * median].any()
        assert moved[saliences[name] > 1.001 * median].all()
