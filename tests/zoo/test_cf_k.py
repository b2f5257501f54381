import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from solutions import cf_k
from solutions.parts.batches import rebatch
from solutions.parts.layers import blocks
from starting_kit import contract
from trials import DATA, PICTURES, PICTURES_TASK, examples, given, loss, resnet, unlearn


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("cf_k"), []).hyperparameters == {
        "k": 2,
        "epochs": 10,
        "learning_rate": 0.01,
        "decay_epochs": [10, 15, 20],
        "weight_decay": 0.0,
    }


@pytest.mark.parametrize(("k", "frozen"), [(0, 3), (1, 2), (2, 1), (3, 1), (9, 1)])
def test_exactly_the_last_k_blocks_and_the_head_change(original, k, frozen):
    """Also in buffers: statistics and counters of batch-norm are part of the state."""
    unlearned = unlearn("cf_k", original, k=k, epochs=1)  # the first block stays, or it would be fine-tuning
    parts = list(zip(blocks(original), blocks(unlearned), strict=True))
    assert len(parts) == 4
    for before, after in parts[:frozen]:
        assert all(torch.equal(after.state_dict()[name], tensor) for name, tensor in before.state_dict().items())
    for before, after in parts[frozen:]:
        assert not any(torch.equal(after.state_dict()[name], tensor) for name, tensor in before.state_dict().items())


def test_in_a_resnet_the_last_stage_and_the_head_change():
    net = resnet()
    unlearned = unlearn("cf_k", net, task=PICTURES_TASK, data=PICTURES, epochs=1)
    changed = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, unlearned.state_dict()[name])}
    assert changed == {name for name in net.state_dict() if name.startswith(("layer4.", "fc."))}


def test_with_k_0_the_head_is_trained_on_what_the_frozen_network_makes_of_the_images(original):
    net, head = copy.deepcopy(original), copy.deepcopy(original[-1])
    settings = {"epochs": 9, "learning_rate": 0.1, "decay_epochs": (3, 6), "weight_decay": 0.01}
    cf_k.unlearning(net, rebatch(given()[0], 512), None, None, k=0, **settings)  # one step per epoch
    images, labels = examples(DATA.retain)
    with torch.no_grad():
        features = original[:-1](images)
    optimiser = torch.optim.SGD(head.parameters(), lr=0.1, weight_decay=0.01)  # without momentum, as in the source
    for rate in (0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001):
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        F.cross_entropy(head(features), labels).backward()
        optimiser.step()
    torch.testing.assert_close(net[-1].weight, head.weight, rtol=0, atol=1e-6)
    assert (head.weight - original[-1].weight).abs().max() > 1e-3


def test_the_retain_loss_of_a_spoiled_head_falls(original):
    spoiled = copy.deepcopy(original)
    torch.nn.init.zeros_(spoiled[-1].weight)
    assert loss(unlearn("cf_k", spoiled, learning_rate=0.1), DATA.retain) < loss(spoiled, DATA.retain) / 2


def test_a_network_of_one_block_trains():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    assert not torch.equal(unlearn("cf_k", net, epochs=1)[1].weight, net[1].weight)
