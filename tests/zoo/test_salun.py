import copy
import dataclasses

import torch
from torch.nn import functional as F

from solutions import salun
from starting_kit import contract
from trials import DATA, TASK, accuracy, changed, examples, given, unlearn

ONE_BATCH = dataclasses.replace(TASK, loader_batch_size=len(DATA.forget))  # of the forget set


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
    moved = together(changed(original, unlearn("salun", original, task=ONE_BATCH, fraction=0.2, epochs=1)))
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


def test_step_1_sums_the_gradients_of_batches(original):
    """Of two batches of other sizes, the examples of the smaller one count more, as in `generate_mask.py` of the source."""
    net = copy.deepcopy(original).eval()
    images, labels = examples(DATA.forget)
    loader = [(images[:80], labels[:80]), (images[80:], labels[80:])]
    sums = [torch.zeros_like(weight) for weight in net.parameters()]
    for some, own in loader:
        for total, gradient in zip(
            sums, torch.autograd.grad(F.cross_entropy(net(some), own), list(net.parameters())), strict=True
        ):
            total += gradient
    saliences = torch.cat([total.abs().flatten() for total in sums])
    mask = torch.cat([own.flatten() for own in salun.most_salient(net, loader, 0.3).values()])
    naive = saliences >= saliences.sort(descending=True).values[mask.sum() - 1]
    assert (mask != naive).sum() <= 2


def test_step_2_gives_forget_examples_wrong_labels(original):
    few = dataclasses.replace(DATA, retain=DATA.retain[:60], forget=DATA.forget[:30])
    unlearned = unlearn("salun", original, data=few, fraction=1, epochs=30, learning_rate=0.05)
    assert accuracy(unlearned, few.forget) < 0.5


def test_step_2a_draws_labels_anew_for_every_epoch_and_2b_comes_after_it(original, monkeypatch):
    """As in the branch for CIFAR-10 of `unlearn/RL.py`."""
    seen, wrong_labels, cross_entropy_epoch = [], salun.wrong_labels, salun.train_epoch

    def drawn(labels, classes):
        new = wrong_labels(labels, classes)
        assert classes == 10
        assert not (new == labels).any()
        seen.append(new)
        return new

    monkeypatch.setattr(salun, "wrong_labels", drawn)
    monkeypatch.setattr(
        salun, "train_epoch", lambda net, loader, *more: seen.append(loader) or cross_entropy_epoch(net, loader, *more)
    )
    retain, _, val = given()
    forget = [examples(DATA.forget[:30])]
    salun.unlearning(copy.deepcopy(original), retain, forget, val, epochs=2)
    first, after_first, second, after_second = seen
    assert after_first is after_second is retain
    assert 0.5 < (first != second).double().mean() < 1


def test_step_2b_trains_on_the_retain_set_too(original):
    broken = copy.deepcopy(original)
    with torch.no_grad():
        broken[-1].weight.normal_(generator=torch.Generator().manual_seed(0))
    repaired = unlearn("salun", broken, learning_rate=0.05)
    assert accuracy(broken, DATA.retain) < 0.3
    assert accuracy(repaired, DATA.retain) > 0.6


def test_step_3_leaves_every_other_weight_bit_for_bit(original):
    """Masked gradients would not: weight decay moves a weight whose gradient is zero, and so does momentum."""
    unlearned = unlearn("salun", original, task=ONE_BATCH, weight_decay=0.1)
    saliences = salience(original)
    median = together(saliences).median()
    for name, moved in changed(original, unlearned).items():
        assert not moved[saliences[name] < 0.999 * median].any()
        assert moved[saliences[name] > 1.001 * median].all()
