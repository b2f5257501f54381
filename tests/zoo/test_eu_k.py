import pytest
import torch
from torch import nn

from solutions.parts.layers import blocks
from starting_kit import contract
from trials import DATA, loss, unlearn


def test_published_values_are_the_defaults():
    values, of_cf_k = (contract.describe(contract.find(name), []).hyperparameters for name in ("eu_k", "cf_k"))
    assert values == {**of_cf_k, "epochs": 30}


@pytest.mark.parametrize(("k", "frozen"), [(0, 3), (1, 2), (2, 1), (9, 1)])
def test_exactly_the_last_k_blocks_and_the_head_are_reinitialised(original, k, frozen):
    drawn = unlearn("eu_k", original, k=k, epochs=0)
    for number, (before, after) in enumerate(zip(blocks(original), blocks(drawn), strict=True)):
        if number < frozen:
            assert all(torch.equal(after.state_dict()[name], tensor) for name, tensor in before.state_dict().items())
            continue
        old, new = before[0].weight, after[0].weight
        assert not new.eq(old).any()
        assert 0.9 / old[0].numel() ** 0.5 < new.abs().max() < 1 / old[0].numel() ** 0.5  # torch's: uniform to 1/√fan-in
        for layer in after[1:]:  # batch-norm
            assert isinstance(layer, nn.BatchNorm2d)
            assert (layer.weight == 1).all() and (layer.running_mean == 0).all() and layer.num_batches_tracked == 0


@pytest.mark.parametrize("k", [0, 2])
def test_the_frozen_part_stays_as_it_was_and_the_new_one_is_trained(original, k):
    settings = {"k": k, "learning_rate": 0.5}
    drawn, trained = (unlearn("eu_k", original, epochs=epochs, **settings) for epochs in (0, 8))
    for before, after in zip(blocks(original)[: 3 - k], blocks(trained), strict=False):
        assert all(torch.equal(after.state_dict()[name], tensor) for name, tensor in before.state_dict().items())
    assert loss(trained, DATA.retain) < loss(drawn, DATA.retain) / 2
