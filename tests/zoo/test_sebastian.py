import copy
import dataclasses

import numpy as np
import pytest
import torch

from solutions.parts.layers import convolutions
from starting_kit import contract
from starting_kit.networks import NETWORKS
from trials import DATA, TASK, changed, examples, logits, loss, unlearn, weights

# Half the digits are rarer than the others, all examples come in one batch, in float64: a run can be repeated by hand.
UNEVEN = DATA.retain[(DATA.labels[DATA.retain] < 5) | (np.arange(len(DATA.retain)) % 6 == 0)]
BY_HAND = {
    "task": dataclasses.replace(TASK, loader_batch_size=len(UNEVEN)),
    "data": dataclasses.replace(DATA, images=DATA.images.astype("float64"), retain=UNEVEN),
}


SAME = {"pruned_fraction": 0}


def untrained():
    """14 thousand weights that half precision can hold, so that step 3 leaves those that are kept alone."""
    torch.manual_seed(0)
    return NETWORKS["cnn-16-32-32"](TASK).half().float()


def entropy(logits):
    p = logits.softmax(dim=1)
    return -(p * p.log()).sum(dim=1)


def entropy_mismatch(net, original):
    return (entropy(logits(net, DATA.retain)) - entropy(logits(original, DATA.retain))).square().mean().item()


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("sebastian"), []).hyperparameters == {
        "pruned_fraction": 0.99,
        "epochs": 3.2,
        "learning_rate": 5e-4,
        "class_weight_exponent": -0.1,
        "entropy_weight": 1.0,
        "weight_decay": 5e-4,
    }


def test_step_1_prunes_the_smallest_weights_and_biases_of_all_layers_together():
    net = untrained()
    with torch.no_grad():
        net[-1].bias.copy_(torch.tensor([-2.0, 3.0] + [0.125] * 8))  # two are large enough to be kept
    pruned = unlearn("sebastian", net, epochs=0)
    sizes = {name: weight.detach().abs() for name, weight in net.named_parameters() if weight.dim() > 1 or name == "13.bias"}
    values = torch.cat([size.flatten() for size in sizes.values()]).sort().values
    largest_pruned = values[round(0.99 * len(values)) - 1]
    moved = changed(net, pruned)
    assert not any(moved[name].any() for name in moved.keys() - sizes.keys())
    for name, size in sizes.items():
        assert not moved[name][size > largest_pruned].any(), name
        assert moved[name][size < largest_pruned].double().mean() > 0.99, name  # a new value may happen to be the old one
    assert moved["1.weight"].double().mean() < 0.5 < moved["8.weight"].double().mean()  # not the same share of each layer
    assert pruned[-1].bias.tolist() == [-2, 3] + [0] * 8


def test_step_1_draws_new_weights_from_a_uniform_distribution():
    net = untrained()
    pruned = unlearn("sebastian", net, epochs=0)
    drawn = []
    for name, moved in changed(net, pruned).items():
        weight = pruned.get_parameter(name).detach()
        if weight.dim() > 1:
            drawn.append(weight[moved] * weight[0].numel() ** 0.5)
            assert 0.8 < drawn[-1].abs().max() < 1.001, name
    standard = torch.cat(drawn)
    assert standard.mean().item() == pytest.approx(0, abs=0.02)
    assert standard.var().item() == pytest.approx(1 / 3, abs=0.01)
    assert (standard**4).mean().item() == pytest.approx(1 / 5, abs=0.01)


def test_step_2_repairs_what_step_1_broke(original):
    broken, repaired = (unlearn("sebastian", original, learning_rate=0.05, epochs=epochs) for epochs in (0, 10))
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 2


@pytest.mark.parametrize(("epochs", "steps"), [(3.2, 19), (3, 18), (0, 0)])
def test_step_2_stops_after_a_fifth_of_the_last_epochs_batches(original, epochs, steps):
    """An epoch has 6 batches."""
    assert unlearn("sebastian", original, epochs=epochs)[2].num_batches_tracked - original[2].num_batches_tracked == steps


def test_step_2a_and_2b_and_3_do_what_a_plain_loop_does(original):
    net = copy.deepcopy(original).double()
    images, labels = examples(UNEVEN)
    weight_of = np.bincount(labels) ** -0.1
    example_weights = torch.tensor([weight_of[label] for label in labels.tolist()])
    by_hand, target = copy.deepcopy(net).train(), entropy(net(images.double())).detach()
    optimiser = torch.optim.SGD(by_hand.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    for _ in range(3):
        z = by_hand(images.double())
        losses = torch.stack([-own.log_softmax(dim=0)[label] for own, label in zip(z, labels, strict=True)])
        optimiser.zero_grad()
        ((example_weights * losses).sum() / example_weights.sum() + (entropy(z) - target).square().mean()).backward()
        optimiser.step()
    unlearned = unlearn("sebastian", net, **BY_HAND, **SAME, learning_rate=0.01)
    expected = weights(by_hand.half().double())
    torch.testing.assert_close(weights(unlearned), expected, rtol=1e-3, atol=0)  # the last bit of a half
    assert (weights(unlearned) == expected).float().mean() > 0.99


def test_step_2a_weights_the_classes(original):
    """With an exponent of -1 the rare digits count as much as the frequent ones."""
    data = dataclasses.replace(DATA, retain=UNEVEN)
    rare = DATA.validation[DATA.labels[DATA.validation] >= 5]
    plain, weighted = (
        unlearn("sebastian", original, data=data, learning_rate=0.05, class_weight_exponent=exponent) for exponent in (0, -1)
    )
    assert loss(weighted, rare) < loss(plain, rare)


def test_step_2b_keeps_the_entropies_near_the_originals(original):
    """Cross-entropy alone would make an unsure network surer."""
    unsure = copy.deepcopy(original)
    with torch.no_grad():
        unsure[-1].weight.mul_(0.3)
    with_term, without = (unlearn("sebastian", unsure, **SAME, learning_rate=0.05, entropy_weight=weight) for weight in (1, 0))
    assert entropy_mismatch(with_term, unsure) < entropy_mismatch(without, unsure) / 3


def test_step_3_leaves_what_half_precision_can_hold(original):
    unlearned = unlearn("sebastian", original)
    for name, tensor in unlearned.state_dict().items():
        assert tensor.dtype == original.state_dict()[name].dtype
        if tensor.is_floating_point():
            assert torch.equal(tensor, tensor.half().float()), name


def test_step_3_rounds_to_the_nearest(original):
    unlearned = unlearn("sebastian", original, **SAME, epochs=0)
    torch.testing.assert_close(weights(unlearned), weights(original), rtol=2**-11, atol=2**-25)
    assert not torch.equal(weights(unlearned), weights(original))


def test_a_frozen_layer_stays_as_it_is(original):
    net = copy.deepcopy(original)
    frozen = convolutions(net)[1].weight.requires_grad_(False)
    assert torch.equal(convolutions(unlearn("sebastian", net))[1].weight, frozen)
