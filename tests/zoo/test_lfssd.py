import copy
import dataclasses

import torch

from solutions import lfssd
from solutions.parts.layers import head
from starting_kit import contract
from test_ssd import ALL, FORGET, ONE_BY_ONE, naive_importances
from trials import DATA, examples, unlearn, weights


def squared_lengths(net, images, labels):
    return (net(images) ** 2).sum()  # of one example


def test_defaults_are_those_of_ssd_for_gradients_that_are_not_squared():
    values, of_ssd = (contract.describe(contract.find(name), []).hyperparameters for name in ("lfssd", "ssd"))
    assert values == {**of_ssd, "selection_weight": of_ssd["selection_weight"] ** 0.5}


def test_gradient_of_the_squared_length_has_its_closed_form_at_the_heads_biases(original):
    net = copy.deepcopy(original)
    images, labels = examples(DATA.retain[:7])
    outputs = net(images)
    (gradient,) = torch.autograd.grad(lfssd.squared_length(outputs, labels), head(net).bias)
    torch.testing.assert_close(gradient, 2 * outputs.mean(dim=0))


def test_dampens_by_absolute_gradients_only_where_the_inequality_holds(original):
    unlearned = unlearn("lfssd", original, selection_weight=1.5, dampening_constant=0.8, **ONE_BY_ONE)
    to_forget, to_all = (naive_importances(original, ids, squared_lengths, power=1) for ids in (FORGET, ALL))
    dampened = 0
    for name, weight in original.named_parameters():
        ratio = to_all[name] / to_forget[name]
        expected = torch.where(ratio < 1 / 1.5, 0.8 * ratio * weight, weight)
        clearly = (ratio - 1 / 1.5).abs() > 1e-4  # rounding decides the others
        torch.testing.assert_close(unlearned.get_parameter(name)[clearly], expected[clearly], rtol=1e-3, atol=1e-6)
        dampened += (unlearned.get_parameter(name) != weight).sum()
    assert 100 < dampened < 3000


def test_labels_are_not_looked_at(original):
    wrong = dataclasses.replace(DATA, labels=(DATA.labels + 1) % 10)
    right, other = (weights(unlearn("lfssd", original, selection_weight=1.5, data=data)) for data in (DATA, wrong))
    assert torch.equal(right, other)
    assert not torch.equal(right, weights(original))
