import copy
import dataclasses

import pytest
import torch
from torch import nn

from solutions import activation_reset
from solutions.parts.layers import convolutions
from starting_kit import contract
from trials import DATA, changed, examples, given, loss, small_net, unlearn


def mean_maps(net, images):
    """The mean output of each convolution of a sequential network, by its name."""
    maps, x = {}, images
    with torch.no_grad():
        for name, layer in net.named_children():
            x = layer(x)
            if isinstance(layer, nn.Conv2d):
                maps[name] = x.double().mean(dim=0)
    return maps


def kernels_to_reset(net, forget_images, retain_images):
    """Which kernels are more active on forget at over 80 % of the positions, position by position."""
    forget, retain = mean_maps(net, forget_images), mean_maps(net, retain_images)
    chosen = set()
    for name, maps in forget.items():
        for channel, (own, other) in enumerate(zip(maps, retain[name], strict=True)):
            higher = [bool(f > r) for f, r in zip(own.flatten(), other.flatten(), strict=True)]
            if sum(higher) > 0.8 * len(higher):
                chosen.add((name, channel))
    return chosen


def reset_kernels(before, after):
    """Which kernels differ, all their elements."""
    chosen = set()
    for name, layer in before.named_children():
        if isinstance(layer, nn.Conv2d):
            differs = (layer.weight != after.get_submodule(name).weight).flatten(1)
            assert torch.equal(differs.any(dim=1), differs.all(dim=1))
            chosen |= {(name, channel) for channel in differs.any(dim=1).nonzero().flatten().tolist()}
    return chosen


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("activation_reset"), []).hyperparameters == {
        "retain_share": 0.02,
        "positions": 0.8,
        "epochs": 5,
        "learning_rate": 1e-3,
        "batch_size": 128,
        "weight_decay": 5e-4,
    }


def test_kernels_more_active_on_forget_are_reset_and_no_others(original):
    expected = kernels_to_reset(original, examples(DATA.forget)[0], examples(DATA.retain)[0])
    net = unlearn("activation_reset", original, retain_share=1, epochs=0)
    assert 0 < len(expected) < 40  # some of the 8 + 16 + 16
    assert reset_kernels(original, net) == expected


def test_sums_are_divided_by_the_number_of_examples_visited():
    """All retain images are one picture, and so is any share's mean; the published code divides by the size of the set.

    Pictures and weights are random numbers, so that rounding decides nothing; that of forget is brighter.
    """
    generator = torch.Generator().manual_seed(0)
    pictures = [8 * torch.rand(1, 1, 8, 8, generator=generator) + least for least in (8, 0)]
    images = DATA.images.copy()
    for ids, picture in zip((DATA.forget, DATA.retain), pictures, strict=True):
        images[ids] = picture
    net = small_net().float()
    expected = kernels_to_reset(net, *pictures)
    unlearned = unlearn("activation_reset", net, data=dataclasses.replace(DATA, images=images), epochs=0)
    assert 0 < len(expected) < 40
    assert reset_kernels(net, unlearned) == expected


def test_mean_activations_are_those_of_all_examples_however_they_are_batched(original):
    net = copy.deepcopy(original)
    measured = activation_reset.mean_activations(net, given()[0])  # batches of 64, the last of 40
    expected = mean_maps(original, examples(DATA.retain)[0])
    for layer, maps in zip(convolutions(net), expected.values(), strict=True):
        torch.testing.assert_close(measured[layer].double(), maps, rtol=1e-4, atol=1e-5)


def test_the_share_of_positions_must_be_exceeded():
    forget, retain = torch.ones(3, 1, 5), torch.zeros(3, 1, 5)
    retain[0, 0, 0] = retain[1, 0, :2] = 1  # higher at 4, 3 and 5 of 5 positions
    assert activation_reset.more_active(forget, retain, 0.8).tolist() == [False, False, True]


def test_the_weight_of_the_last_layer_is_reset_and_nothing_else(original):
    net = unlearn("activation_reset", original, positions=1, epochs=0)  # no kernel is
    masks = changed(original, net)
    assert {name for name, mask in masks.items() if mask.any()} == {"13.weight"}
    assert masks["13.weight"].all()
    assert all(torch.equal(tensor, dict(net.named_buffers())[name]) for name, tensor in original.named_buffers())


def test_new_values_have_the_variance_of_their_fan_in(original):
    """Of the last weight [10, 16]; kernels are drawn by the same function, which test_prune.py looks at."""
    drawn = [unlearn("activation_reset", original, seed, positions=1, epochs=0)[-1].weight.detach() for seed in range(5)]
    assert abs(torch.stack(drawn).std() / (2 / 16) ** 0.5 - 1) < 0.1  # of 800 values: standard error 0.025


def test_repair_goes_through_the_retain_set_in_its_order(original, monkeypatch):
    seen = []
    monkeypatch.setattr(activation_reset, "train", lambda net, loader, *_: seen.extend(labels for _, labels in loader))
    activation_reset.unlearning(copy.deepcopy(original), *given())
    assert [len(labels) for labels in seen] == [128, 128, 104]
    assert torch.equal(torch.cat(seen), examples(DATA.retain)[1])


def test_maps_of_one_position_work():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 20, 8), nn.ReLU(), nn.Flatten(), nn.Linear(20, 10)).eval()
    expected = kernels_to_reset(net, examples(DATA.forget)[0], examples(DATA.retain)[0])
    unlearned = unlearn("activation_reset", net, retain_share=1, epochs=0)
    assert 0 < len(expected) < 20
    assert reset_kernels(net, unlearned) == expected


def test_kernels_of_frozen_weights_stay(original):
    net = copy.deepcopy(original)
    for layer in convolutions(net):
        layer.weight.requires_grad_(False)
    free, frozen = (reset_kernels(original, unlearn("activation_reset", n, retain_share=1, epochs=0)) for n in (original, net))
    assert free
    assert not frozen


def test_hooks_are_gone_even_if_the_network_raises(original):
    net = copy.deepcopy(original)
    wrong = [(torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64))]  # three colours
    with pytest.raises(RuntimeError, match="channels"):
        activation_reset.mean_activations(net, [*given()[1], *wrong])
    assert not any(module._forward_hooks for module in net.modules())


def test_repair_lowers_the_retain_loss(original):
    broken, repaired = (unlearn("activation_reset", original, epochs=epochs, learning_rate=0.02) for epochs in (0, 5))
    assert loss(repaired, DATA.retain) < 0.7 * loss(broken, DATA.retain)
