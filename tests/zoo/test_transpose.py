import copy

import torch
from torch import nn

from solutions import transpose
from starting_kit import contract
from trials import DATA, changed, examples, logits, loss, unlearn, weights

ONLY_STEP_1 = {"epochs": 0}


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("transpose"), []).hyperparameters == {
        "epochs": 3,
        "learning_rate": 1e-3,
        "weight_decay": 5e-4,
    }


def test_step_1_swaps_the_spatial_axes_of_every_kernel_and_touches_nothing_else(original):
    transposed = unlearn("transpose", original, **ONLY_STEP_1)
    kernels = [name for name, weight in original.named_parameters() if weight.dim() == 4]
    assert len(kernels) == 3
    for name, weight in original.named_parameters():
        expected = weight.permute(0, 1, 3, 2) if name in kernels else weight
        assert torch.equal(transposed.get_parameter(name), expected)
    assert all(changed(original, transposed)[name].any() for name in kernels)


def test_step_1_answers_an_image_as_the_original_answered_the_transposed_image(original):
    images = examples(DATA.validation)[0]
    with torch.no_grad():
        expected = original(images.transpose(2, 3))
    transposed = logits(unlearn("transpose", original, **ONLY_STEP_1), DATA.validation)
    torch.testing.assert_close(transposed, expected, rtol=1e-4, atol=1e-3)
    assert (expected - logits(original, DATA.validation)).abs().max() > 1


def test_twice_transposed_is_the_original(original):
    net = copy.deepcopy(original)
    transpose.transpose_kernels(net)
    assert not torch.equal(weights(net), weights(original))
    transpose.transpose_kernels(net)
    assert torch.equal(weights(net), weights(original))


def test_kernels_that_are_not_square_and_biases_stay_as_they_are():
    net = nn.Sequential(nn.Conv2d(2, 3, (1, 3)), nn.Conv2d(3, 3, 2))
    before = copy.deepcopy(net)
    transpose.transpose_kernels(net)
    touched = {name: where.any().item() for name, where in changed(before, net).items()}
    assert touched == {"0.weight": False, "0.bias": False, "1.weight": True, "1.bias": False}


def test_step_2_repairs_what_step_1_broke(original):
    broken = unlearn("transpose", original, **ONLY_STEP_1)
    repaired = unlearn("transpose", original, learning_rate=0.05)
    assert loss(broken, DATA.retain) > 10 * loss(original, DATA.retain)
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 5
