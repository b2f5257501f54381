import copy

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from solutions import orthograd
from starting_kit import contract
from trials import DATA, examples, given, loss, unlearn, weights


@pytest.fixture
def unsure(original):
    """A network in float64 whose losses are not flat."""
    net = copy.deepcopy(original).double().eval()
    with torch.no_grad():
        net[-1].weight.mul_(0.3)
    return net


def in_float64(ids):
    images, labels = examples(ids)
    return images.double(), labels


def losses(net, ids):
    """The loss of every example."""
    images, labels = in_float64(ids)
    return F.cross_entropy(net(images), labels, reduction="none")


def test_values_are_the_defaults():
    values = contract.describe(contract.find("orthograd"), []).hyperparameters
    assert values == {"epochs": 5, "learning_rate": 0.1, "alpha": 0.1, "retain_examples": 32}


def random_gradients(*, others):
    """A gradient for two weights, and those of several examples."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(5, 4, 3), (7,)]
    draw = [torch.randn(1 + others, *shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [part[0] for part in draw], [part[1:] for part in draw]


def flat(parts):
    return torch.cat([part.flatten() for part in parts])


def rows(parts):
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def test_what_is_left_is_orthogonal_to_every_example_and_what_was_taken_lies_in_their_span():
    gradient, others = random_gradients(others=6)
    rest = orthograd.orthogonal_part(gradient, others)
    assert [part.shape for part in rest] == [part.shape for part in gradient]
    assert (rows(others) @ flat(rest)).abs().max() < 1e-12
    taken = flat(gradient) - flat(rest)
    coefficients = torch.linalg.lstsq(rows(others).T, taken[:, None]).solution
    torch.testing.assert_close(rows(others).T @ coefficients, taken[:, None])


def test_examples_whose_gradients_are_zero_or_the_same_do_no_harm():
    gradient, others = random_gradients(others=3)
    doubled = [torch.cat([part, part[:1], torch.zeros_like(part[:1])]) for part in others]
    rest = orthograd.orthogonal_part(gradient, doubled)
    assert (rows(others) @ flat(rest)).abs().max() < 1e-12
    assert flat(rest).norm() > 0.5 * flat(gradient).norm()


def test_a_small_step_of_the_forget_part_changes_the_loss_of_no_retain_example_but_plain_ascent_does(unsure):
    rate, retain_ids, forget_ids = 1e-6, DATA.retain[:32], DATA.forget
    retain, forget = (DataLoader(TensorDataset(*in_float64(ids)), batch_size=100) for ids in (retain_ids, forget_ids))
    projected, plain = copy.deepcopy(unsure), copy.deepcopy(unsure)
    orthograd.unlearning(projected, retain, forget, None, epochs=1, learning_rate=rate, alpha=0, retain_examples=32)
    gradients = torch.autograd.grad(losses(plain, forget_ids).mean(), list(plain.parameters()))
    with torch.no_grad():
        for weight, gradient in zip(plain.parameters(), gradients, strict=True):
            weight += rate * gradient / flat(gradients).norm()
        change, plain_change = (losses(net, retain_ids) - losses(unsure, retain_ids) for net in (projected, plain))
        gain = (losses(projected, forget_ids) - losses(unsure, forget_ids)).mean()
    assert (change.abs() < 1e-3 * plain_change.abs().median()).all()
    step = weights(projected) - weights(unsure)
    assert step.norm().item() == pytest.approx(rate)
    assert 0 < gain.item() == pytest.approx((flat(gradients) @ step).item(), rel=1e-3)


def test_a_step_weighs_what_is_left_of_the_forget_gradient_against_the_mean_retain_gradient(unsure):
    net, parameters = copy.deepcopy(unsure), list(unsure.parameters())
    retain, forget = (DataLoader(TensorDataset(*in_float64(ids)), batch_size=100) for ids in (DATA.retain[:8], DATA.forget))
    orthograd.unlearning(net, retain, forget, None, epochs=1, learning_rate=1e-3, alpha=0.2, retain_examples=8)
    of_forget = flat(torch.autograd.grad(losses(unsure, DATA.forget).mean(), parameters))
    of_retain = torch.stack([flat(torch.autograd.grad(losses(unsure, [i])[0], parameters)) for i in DATA.retain[:8]])
    rest = of_forget - of_retain.T @ torch.linalg.lstsq(of_retain.T, of_forget[:, None]).solution[:, 0]
    direction = 0.8 * rest - 0.2 * of_retain.mean(dim=0)
    torch.testing.assert_close(weights(net) - weights(unsure), 1e-3 * direction / direction.norm(), rtol=1e-6, atol=1e-12)


def test_every_step_has_other_retain_examples(original, monkeypatch):
    seen, per_example_gradients = [], orthograd.per_example_gradients
    monkeypatch.setattr(
        orthograd, "per_example_gradients", lambda net, *batch: seen.append(batch[0]) or per_example_gradients(net, *batch)
    )
    orthograd.unlearning(copy.deepcopy(original), *given(), epochs=1, retain_examples=4)
    assert [len(images) for images in seen] == [4, 4]
    assert not torch.equal(*seen)


def test_raises_the_forget_loss_more_than_the_retain_loss(original):
    unlearned = unlearn("orthograd", original, learning_rate=0.1, retain_examples=64)
    assert loss(unlearned, DATA.forget) > 2 * loss(original, DATA.forget)
    assert loss(unlearned, DATA.retain) / loss(original, DATA.retain) < loss(unlearned, DATA.forget) / loss(
        original, DATA.forget
    )


def test_leaves_the_statistics_of_batch_norm_alone(original):
    net = copy.deepcopy(original).train()
    retain, forget, _ = given()
    orthograd.unlearning(net, retain, forget, None, epochs=1)
    assert (weights(net) - weights(original)).abs().max() > 0
    for before, after in zip(original.buffers(), net.buffers(), strict=True):
        assert torch.equal(before, after)
