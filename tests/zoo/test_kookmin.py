import copy
import dataclasses

import pytest
import torch
from torch.nn import functional as F

from solutions import kookmin
from solutions.parts.layers import convolutions
from starting_kit import contract
from starting_kit.networks import NETWORKS
from trials import DATA, TASK, changed, examples, loss, unlearn, weights

# All retain examples in one batch, in float64: then a run can be repeated by hand.
ONE_BATCH = dataclasses.replace(TASK, loader_batch_size=len(DATA.retain))
EXACT = dataclasses.replace(DATA, images=DATA.images.astype("float64"))


@pytest.fixture
def precise(original):
    return copy.deepcopy(original).double()


def own_cross_entropy(net, ids):
    images, labels = examples(ids)
    return F.cross_entropy(net(images.double()), labels)


def differences(net, retain, forget):
    """|g_r - g_f| of the weights of convolutions, by name."""
    names = [name for name, weight in net.named_parameters() if weight.dim() == 4]
    of_convolutions = [net.get_parameter(name) for name in names]
    g_r, g_f = (torch.autograd.grad(own_cross_entropy(net, ids), of_convolutions) for ids in (retain, forget))
    return {name: (r - f).abs() for name, r, f in zip(names, g_r, g_f, strict=True)}


def are_where_smallest(new, scores):
    """Whether in each weight the new elements have the smallest scores."""
    return all(score[new[name]].max() <= score[~new[name]].min() * (1 + 1e-9) for name, score in scores.items())


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("kookmin"), []).hyperparameters == {
        "reinitialised_fraction": 0.3,
        "epochs": 5,
        "learning_rate": 1e-3,
        "kept_gradient_factor": 0.1,
        "weight_decay": 5e-4,
    }


def test_step_1_finds_the_weights_where_retain_and_forget_gradients_differ_least(precise):
    retain = DATA.retain[: len(DATA.forget)]  # all of them are drawn
    unlearned = unlearn("kookmin", precise, task=ONE_BATCH, data=dataclasses.replace(EXACT, retain=retain), epochs=0)
    assert are_where_smallest(changed(precise, unlearned), differences(precise, retain, DATA.forget))


def test_step_1_leaves_the_statistics_of_batch_norm_alone(original):
    """In train mode every batch whose gradient is taken would move them."""
    original = copy.deepcopy(original).train()
    unlearned = unlearn("kookmin", original, epochs=0)
    for name, buffer in original.named_buffers():
        assert torch.equal(buffer, unlearned.get_buffer(name)), name


def test_step_1_draws_as_many_retain_examples_as_there_are_forget_examples(precise):
    """One forget example: the choice is made with one of the retain examples, not always the same."""
    retain, forget = DATA.retain[:3], DATA.forget[:1]
    data = dataclasses.replace(EXACT, retain=retain, forget=forget)
    of_each = [differences(precise, retain[i : i + 1], forget) for i in range(3)]
    drawn = set()
    for seed in range(6):
        new = changed(precise, unlearn("kookmin", precise, seed, task=ONE_BATCH, data=data, epochs=0))
        (which,) = (i for i in range(3) if are_where_smallest(new, of_each[i]))
        drawn.add(which)
    assert len(drawn) > 1


def test_step_2_draws_30_percent_of_each_convolution_anew_from_a_normal_distribution():
    net = NETWORKS["cnn-16-32-32"](TASK)
    unlearned = unlearn("kookmin", net, epochs=0)
    drawn = []
    for name, moved in changed(net, unlearned).items():
        weight = unlearned.get_parameter(name).detach()
        assert moved.sum() == (round(0.3 * weight.numel()) if weight.dim() == 4 else 0), name
        if weight.dim() == 4:
            fan_out = weight.shape[0] * weight.shape[2] * weight.shape[3]
            drawn.append(weight[moved] * (fan_out / 2) ** 0.5)
            assert drawn[-1].std().item() == pytest.approx(1, rel=0.35), name
    standard = torch.cat(drawn)  # 4190 values
    assert standard.mean().item() == pytest.approx(0, abs=0.06)
    assert standard.std().item() == pytest.approx(1, abs=0.04)
    assert (standard**4).mean().item() == pytest.approx(3, abs=0.6)  # as of a normal distribution; 1.8 of a uniform one


def test_step_3_repairs_what_step_2_broke(original):
    broken, repaired = unlearn("kookmin", original, epochs=0), unlearn("kookmin", original)
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 2


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_step_3a_and_3b_do_what_a_plain_loop_does(precise, epochs):
    start, end = (unlearn("kookmin", precise, task=ONE_BATCH, data=EXACT, epochs=number) for number in (0, epochs))
    new = changed(precise, start)
    rates = {1: [1e-3], 2: [1e-3, 5e-4], 5: [1e-3 / 3, 2e-3 / 3, 1e-3, 2e-3 / 3, 1e-3 / 3]}[epochs]
    assert torch.allclose(weights(end), weights(plain_loop(start, new, rates, kept=0.1)), rtol=0, atol=1e-10)


def plain_loop(start, new, rates, kept):
    net = copy.deepcopy(start).train()
    optimiser = torch.optim.SGD(net.parameters(), lr=1, momentum=0.9, weight_decay=5e-4)
    for rate in rates:
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        own_cross_entropy(net, DATA.retain).backward()
        for name, weight in net.named_parameters():
            if weight.dim() == 4:
                weight.grad[~new[name]] *= kept
        optimiser.step()
    return net


def test_step_3a_learning_rate_rises_and_falls():
    assert kookmin.rise_and_fall(5) == [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]
    assert kookmin.rise_and_fall(4) == [1 / 2, 1, 2 / 3, 1 / 3]  # so in the port, kgltop2.py of xcadet/deepunlearn
    assert kookmin.rise_and_fall(1) == [1]
    assert kookmin.rise_and_fall(0) == []


def test_step_3b_kept_weights_of_convolutions_move_a_tenth_of_the_way(precise):
    def moves(factor):
        settings = {"task": ONE_BATCH, "data": EXACT, "weight_decay": 0, "kept_gradient_factor": factor}
        start, end = (unlearn("kookmin", precise, epochs=number, **settings) for number in (0, 1))
        new = changed(precise, start)
        return {name: (new[name], end.get_parameter(name) - weight) for name, weight in start.named_parameters()}

    slowed, whole = moves(0.1), moves(1)
    for name, (new, move) in slowed.items():
        factor = torch.where(new, 1.0, 0.1).double() if move.dim() == 4 else 1
        torch.testing.assert_close(move, factor * whole[name][1], rtol=1e-5, atol=1e-10)


def test_a_frozen_convolution_stays_as_it_is(original):
    net = copy.deepcopy(original)
    frozen = convolutions(net)[1].weight.requires_grad_(False)
    assert torch.equal(convolutions(unlearn("kookmin", net))[1].weight, frozen)
