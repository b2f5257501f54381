"""What of a network is noticed when it changes, and in which words; and what may change."""

import copy
import io
import types

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from starting_kit.lockstep.stacking import stack, unstack
from starting_kit.lockstep.structure import difference, structure


def network():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4)
    )
    return net.append(nn.Linear(4, 4))


def shown(*values):
    """A hook of any kind."""


def patched(net):
    net.forward = types.MethodType(lambda self, images: nn.Sequential.forward(self, -images), net)


class Shifted(nn.Linear):
    def forward(self, input):
        return super().forward(input) + 1


CHANGES = {
    "another layer": (lambda net: setattr(net, "2", nn.Identity()), "layer '2' (ReLU became Identity)"),
    "another class": (lambda net: setattr(net[5], "__class__", Shifted), "layer '5' (Linear became Shifted)"),
    "a layer more": (lambda net: net[2].add_module("more", nn.ReLU()), "layer '2.more' (ReLU is new)"),
    "a layer at the end": (lambda net: net.append(nn.ReLU()), "layer '7' (ReLU is new)"),
    "a layer less": (lambda net: net.pop(6), "layer '6' (Linear is gone)"),
    "another order": (
        lambda net: net._modules.update({"5": net._modules.pop("5")}),
        "the network (Sequential's order of layers)",
    ),
    "a forward of its own": (patched, "the network (Sequential's forward)"),
    "a constant": (lambda net: setattr(net[1], "eps", 0.1), "layer '1' (BatchNorm2d's eps)"),
    "momentum": (lambda net: setattr(net[1], "momentum", None), "layer '1' (BatchNorm2d's momentum)"),
    "an attribute": (lambda net: setattr(net, "some_attribute", 3), "the network (Sequential's some_attribute)"),
    "a hidden layer": (lambda net: setattr(net, "hidden", [nn.ReLU()]), "the network (Sequential's hidden)"),
    "an attribute less": (lambda net: delattr(net[2], "inplace"), "layer '2' (ReLU's inplace)"),
    "a forward hook": (lambda net: net[2].register_forward_hook(shown), "layer '2' (ReLU's forward hooks)"),
    "a forward pre-hook": (lambda net: net.register_forward_pre_hook(shown), "the network (Sequential's forward pre hooks)"),
    "a backward hook": (lambda net: net[0].register_full_backward_hook(shown), "layer '0' (Conv2d's backward hooks)"),
    "a buffer": (lambda net: net[0].register_buffer("mask", torch.ones(1)), "layer '0' (Conv2d's mask is new)"),
    "a passing buffer": (
        lambda net: net[0].register_buffer("mask", torch.ones(1), persistent=False),
        "layer '0' (Conv2d's mask is new)",
    ),
    "a bias less": (lambda net: net[5].register_parameter("bias", None), "layer '5' (Linear's bias is gone)"),
    "another shape": (
        lambda net: setattr(net[5], "weight", nn.Parameter(net[5].weight.T.reshape(2, -1))),
        "layer '5' (Linear's weight has another shape, or is shared with other layers)",
    ),
    "tied weights": (
        lambda net: setattr(net[6], "weight", net[5].weight),
        "layer '6' (Linear's weight has another shape, or is shared with other layers)",
    ),
    "a parametrisation": (lambda net: parametrizations.weight_norm(net[5]), "layer '5' (Linear became ParametrizedLinear)"),
    "a pruning mask": (lambda net: prune.l1_unstructured(net[5], "weight", 0.5), "layer '5' (Linear's weight is gone)"),
}

HARMLESS = {
    "weights": lambda net: [weight.data.zero_() for weight in net.parameters()],
    "modes": lambda net: (net.train(), net[1].eval()),
    "frozen weights": lambda net: net.requires_grad_(False),
    "a hook on a weight": lambda net: net[0].weight.register_hook(shown),
    "hooks that are removed": lambda net: [
        register(shown).remove()
        for register in (net[2].register_forward_hook, net.register_forward_pre_hook, net.register_full_backward_hook)
    ],
    "a constant put back": lambda net: (setattr(net[1], "momentum", 0.5), setattr(net[1], "momentum", 0.1)),
    "a parametrisation taken off": lambda net: (
        parametrizations.orthogonal(net[5]),
        parametrize.remove_parametrizations(net[5], "weight"),
    ),
    "a mask made permanent": lambda net: (prune.l1_unstructured(net[5], "weight", 0.5), prune.remove(net[5], "weight")),
    "new weights": lambda net: setattr(net[5], "weight", nn.Parameter(torch.zeros_like(net[5].weight))),
    "gradients": lambda net: net(torch.rand(6, 1, 8, 8)).sum().backward(),
}


@pytest.fixture
def net():
    net = network()
    net.register_forward_pre_hook(shown)
    return net


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_named(net, change, words):
    before = structure(net)
    change(net)
    assert difference(before, structure(net)) == words


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_what_lockstep_would_drop_is_refused_also_in_a_copy(change, words):
    members = [network() for _ in range(3)]
    weights = copy.deepcopy(members[0].state_dict())
    stacked = copy.deepcopy(stack(members))
    change(stacked)
    with pytest.raises(ValueError, match="which lockstep does not carry over") as refused:
        unstack(stacked, members)
    assert words.split("(")[0] in str(refused.value)
    assert all(torch.equal(weights[name], tensor) for name, tensor in members[0].state_dict().items())


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_no_number_depends_on_may_change(net, change):
    before = structure(net)
    change(net)
    assert difference(before, structure(net)) is None
    members = [network() for _ in range(3)]
    stacked = stack(members)
    change(stacked)
    unstack(stacked, members)


def test_copies_of_a_network_have_its_structure(net):
    stacked = stack([network(), network()])
    for whole in (net, stacked):
        file = io.BytesIO()
        torch.save(whole, file)
        file.seek(0)
        for other in (copy.deepcopy(whole), torch.load(file, weights_only=False)):
            assert difference(structure(whole), structure(other)) is None


def test_a_changed_class_is_noticed(net, monkeypatch):
    before = structure(net)
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, input: input)
    assert difference(before, structure(net)) == "layer '2' (ReLU's forward, for the whole class)"


def test_what_a_structure_holds_does_not_change_with_the_network(net):
    net.settings = {"rate": [1, 2]}
    before = structure(net)
    net.settings["rate"].append(3)
    assert difference(before, structure(net)) == "the network (Sequential's settings)"


def test_networks_of_any_kind_have_a_structure(net):
    before = structure(net)
    net.itself, net.array, net.layers_by_size = [net], torch.zeros(2).numpy(), {nn.ReLU: {4, (5, 6)}}
    assert difference(before, structure(net)) == "the network (Sequential's itself)"
    assert difference(structure(net), structure(copy.deepcopy(net))) is None
    scripted = torch.jit.script(network())
    assert difference(before, structure(scripted)) == "the network (Sequential became RecursiveScriptModule)"


def test_a_network_that_was_never_stacked_is_not_taken_apart():
    with pytest.raises(ValueError, match="another network than the one that was stacked"):
        unstack(network(), [network(), network()])
