import copy

import pytest
import torch
from torch import nn

from solutions.parts.weights import add_noise, kaiming_normal, normal_by_fan_in, reinitialise, smallest, uniform_by_fan_in
from starting_kit.lockstep.stacking import stack
from starting_kit.networks import NETWORKS
from trials import TASK


def test_reinitialised_layers_are_as_before_training():
    torch.manual_seed(3)
    fresh = NETWORKS["cnn-8-16-16"](TASK)
    net = copy.deepcopy(fresh).train()
    net(torch.rand(8, 1, 8, 8))
    reinitialise(net)
    assert torch.equal(net[2].running_mean, torch.zeros(8))
    for new, old in zip(net.parameters(), fresh.parameters(), strict=True):
        assert not torch.equal(new, old) or new.dim() == 1
        assert new.abs().max().item() == pytest.approx(old.abs().max().item(), rel=0.2)


def test_noise_has_its_standard_deviation_and_is_another_one_for_each_weight():
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.zeros(200, 100)) for _ in range(2)]
    add_noise(weights, 0.3)
    assert all(weight.std().item() == pytest.approx(0.3, rel=0.02) for weight in weights)
    assert not torch.equal(*weights)


def test_uniform_values_are_those_of_a_new_layer():
    layer = nn.Conv2d(4, 200, 3)
    values, of_torch = uniform_by_fan_in(layer.weight), layer.weight.detach()
    assert values.abs().max().item() == pytest.approx(1 / 6, rel=0.01)
    assert values.std().item() == pytest.approx(of_torch.std().item(), rel=0.05)


def test_kaiming_normal_has_the_variance_of_its_fan_out():
    net = nn.Conv2d(64, 128, 3)
    torch.manual_seed(0)
    expected = nn.init.kaiming_normal_(torch.empty_like(net.weight), mode="fan_out", nonlinearity="relu")
    torch.manual_seed(0)
    torch.testing.assert_close(kaiming_normal(net.weight, net), expected)


def test_normal_values_by_fan_in_are_torchs_kaiming_normal():
    weight = nn.Conv2d(64, 128, 3).weight
    torch.manual_seed(0)
    expected = nn.init.kaiming_normal_(torch.empty_like(weight), nonlinearity="relu")
    torch.manual_seed(0)
    torch.testing.assert_close(normal_by_fan_in(weight), expected)


def test_smallest_chooses_the_exact_number_also_among_equals_and_for_each_model_alone():
    net = nn.Linear(1, 1)
    scores = [torch.tensor([[5.0, 1.0], [1.0, 1.0]]), torch.tensor([0.5, 7.0])]
    masks = smallest(scores, 0.5, net)
    assert [mask.sum().item() for mask in masks] == [2, 1]
    assert masks[1].tolist() == [True, False]
    assert not masks[0][0, 0]
    assert not any(mask.any() for mask in smallest(scores, 0.0, net))
    assert all(mask.all() for mask in smallest(scores, 1.0, net))
    members = [NETWORKS["cnn-8-16-16"](TASK) for _ in range(3)]
    together = smallest([w.abs() for w in stack(members).parameters()], 0.3, stack(members))
    for k, member in enumerate(members):
        alone = smallest([w.abs() for w in member.parameters()], 0.3, member)
        for mask, own in zip(together, alone, strict=True):
            assert torch.equal(mask.chunk(3)[k], own)
