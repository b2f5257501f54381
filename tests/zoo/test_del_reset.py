import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from solutions import del_reset
from solutions.parts.batches import rebatch
from starting_kit import contract
from trials import DATA, changed, examples, given, loss, unlearn


def channels(original, net):
    """Which channels of the weights are new; one that is so in part is an error. Of one dimension: which elements."""
    found = {}
    for name, differs in changed(original, net).items():
        by_channel = differs.reshape(len(differs), -1)
        found[name] = by_channel.any(dim=1)
        assert torch.equal(found[name], by_channel.all(dim=1))
    return found


def naive_scores(net):
    """One gradient of the whole forget set, one sorted list per channel."""
    images, labels = examples(DATA.forget)
    net = copy.deepcopy(net).eval()
    F.cross_entropy(net(images), labels).backward()
    scores = []
    for weight in net.parameters():
        for theta, g in zip(weight, weight.grad, strict=True):
            values = sorted(((theta * g).abs() * len(labels)).flatten().tolist(), reverse=True)
            top = values[: max(1, round(0.1 * len(values)))]
            scores.append(sum(top) / len(top))
    return torch.tensor(scores)


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("del_reset"), []).hyperparameters == {
        "top_share": 0.1,
        "fraction": 0.3,
        "epochs": 30,
        "learning_rate": 0.015,
        "weight_decay": 0.0,
    }


def test_scores_equal_the_naive_ones_and_statistics_stay(original):
    net = copy.deepcopy(original)
    scores = del_reset.channel_scores(net, given()[1], top_share=0.1)
    torch.testing.assert_close(torch.cat(list(scores.values())), naive_scores(original), rtol=1e-3, atol=1e-6)
    assert all(torch.equal(*pair) for pair in zip(net.buffers(), original.buffers(), strict=True))


def test_a_third_of_all_parameters_is_reached_and_exceeded_by_less_than_a_channel(original):
    new = channels(original, unlearn("del_reset", original, epochs=0))
    sizes = {name: original.get_parameter(name)[0].numel() for name in new}
    count = sum(int(chosen.sum()) * sizes[name] for name, chosen in new.items())
    total = sum(weight.numel() for weight in original.parameters())
    assert 0.3 * total <= count < 0.3 * total + max(sizes.values())


def test_the_channels_with_the_highest_scores_of_all_are_reset(original):
    chosen = torch.cat(list(channels(original, unlearn("del_reset", original, epochs=0)).values()))
    scores = naive_scores(original)
    assert scores[chosen].min() > scores[~chosen].max()


def test_channels_are_taken_from_the_top_until_their_parameters_suffice():
    a, b = nn.Parameter(torch.zeros(2, 10)), nn.Parameter(torch.zeros(5, 2, 2))
    scores = {a: torch.tensor([5.0, 1.0]), b: torch.tensor([4.0, 3.0, 2.0, 0.0, 0.5])}
    for fraction, of_a, of_b in (
        (0, [0, 0], []),
        (0.25, [1, 0], []),
        (0.3, [1, 0], [0]),
        (0.36, [1, 0], [0, 1]),
        (1, [1, 1], range(5)),
    ):
        masks = del_reset.most_critical(scores, fraction, nn.Identity())
        assert masks[a].shape == a.shape
        assert masks[b].shape == b.shape
        assert masks[a].all(dim=1).tolist() == [bool(value) for value in of_a]
        assert masks[b].flatten(1).any(dim=1).nonzero().flatten().tolist() == list(of_b)


def test_new_values_are_spread_as_before_training(original):
    net = unlearn("del_reset", original, epochs=0, fraction=1.0)
    for layer in net:
        if isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all() and (layer.bias == 0).all()
        elif hasattr(layer, "weight"):
            bound = layer.weight[0].numel() ** -0.5
            assert 0.9 * bound < layer.weight.abs().max() <= bound
            assert abs(layer.weight.mean()) < 0.2 * bound
    assert all(torch.equal(*pair) for pair in zip(net.buffers(), original.buffers(), strict=True))


def test_fine_tuning_moves_the_reset_channels_and_the_whole_head_and_nothing_else(original):
    untrained = unlearn("del_reset", original, epochs=0)
    trained = unlearn("del_reset", original, epochs=3)
    reset = channels(original, untrained)
    assert not all(reset["13.weight"]) and not all(reset["13.bias"])  # so that it is seen that all of the head moves
    for name, moved in channels(untrained, trained).items():
        assert torch.equal(moved, reset[name] | name.startswith("13."))
        assert torch.equal(trained.get_parameter(name)[~moved], original.get_parameter(name)[~moved])
    assert not torch.equal(trained[2].running_mean, original[2].running_mean)  # statistics follow the new channels


def test_fine_tuning_equals_a_naive_version_that_ends_at_a_hundredth_of_the_rate(original):
    """With nothing reset: the head alone, which knows nothing, in one batch; no weight decay."""
    net = copy.deepcopy(original)
    nn.init.zeros_(net[-1].weight)
    naive = copy.deepcopy(net).train()
    del_reset.unlearning(net, rebatch(given()[0], 512), given()[1], None, fraction=0, epochs=4, learning_rate=0.1)
    images, labels = examples(DATA.retain)
    optimiser = torch.optim.SGD(naive[-1].parameters(), lr=0.1, momentum=0.9)
    for epoch in range(4):
        optimiser.param_groups[0]["lr"] = 0.001 + 0.099 * (1 + math.cos(math.pi * epoch / 4)) / 2
        optimiser.zero_grad()
        F.cross_entropy(naive(images), labels).backward()
        optimiser.step()
    torch.testing.assert_close(net[-1].weight, naive[-1].weight, rtol=0, atol=1e-5)
    assert net[-1].weight.abs().max() > 0.1


def test_chance_decides_the_values_but_not_the_channels(original):
    one, other = (unlearn("del_reset", original, seed, epochs=0) for seed in (0, 1))
    chosen = channels(original, one)
    assert all(torch.equal(chosen[name], also) for name, also in channels(original, other).items())
    drawn = channels(one, other)
    assert not any(drawn[name].any() for name in ("2.weight", "2.bias"))  # of a normalisation layer: 1 and 0
    assert all(torch.equal(chosen[name], drawn[name]) for name in drawn if one.get_parameter(name).dim() > 1)


def test_fine_tuning_repairs_what_the_reset_broke(original):
    broken, repaired = (unlearn("del_reset", original, epochs=epochs, learning_rate=0.05) for epochs in (0, 6))
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 2
    assert loss(repaired, DATA.forget) > 3 * loss(original, DATA.forget)
