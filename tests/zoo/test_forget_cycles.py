import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR
from torchvision.models import resnet18, resnet50

from solutions import forget_cycles
from solutions.parts.distillation import frozen_copy
from solutions.parts.training import sgd
from starting_kit import contract
from starting_kit.networks import all_cnn
from trials import DATA, TASK, changed, examples, given, logits, unlearn, weights

WITHOUT_TRAINING = {"learning_rates": ((0.0,),)}  # one cycle


def distance(net, teacher):
    """Mean squared difference of their logits on the retain set."""
    return F.mse_loss(logits(net, DATA.retain), logits(teacher, DATA.retain)).item()


def redrawn(before, after):
    """Names of the weights of which every element is new; a weight in which only some are is an error."""
    differs = changed(before, after)
    assert all(mask.all() or not mask.any() for mask in differs.values())
    return {name for name, mask in differs.items() if mask.all()}


def test_published_values_are_the_defaults():
    values = contract.describe(contract.find("forget_cycles"), []).hyperparameters
    optimiser = sgd(nn.Linear(1, 1), 1e-3, 0)
    schedule = CosineAnnealingLR(optimiser, T_max=2)
    optimiser.step()
    first = schedule.get_last_lr()[0]
    schedule.step()
    second = pytest.approx(schedule.get_last_lr()[0])
    assert values == {"layers": 6, "learning_rates": [[first], [first, second], [first, second]], "noise": 0.01} | {
        "weight_decay": 5e-4
    }


@pytest.mark.parametrize(
    ("build", "count", "left_out"),
    [
        (resnet18, 17, {"fc", "layer2.0.downsample.0", "layer3.0.downsample.0", "layer4.0.downsample.0"}),
        (resnet50, 49, {"fc", *(f"layer{i}.0.downsample.0" for i in (1, 2, 3, 4))}),
        (lambda: all_cnn(TASK), 8, {"25"}),  # its head is a 1x1 convolution, and so is a layer before
    ],
)
def test_the_pool_is_all_but_head_and_projection_shortcuts(build, count, left_out):
    with torch.device("meta"):
        net = build()
    pool = forget_cycles.pool(net)
    assert len(pool) == count
    others = {name for name, layer in net.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear) and layer not in pool}
    assert others == left_out


def test_step_1_the_original_stays_the_teacher_in_every_cycle(original):
    started, trained = (unlearn("forget_cycles", original, learning_rates=((0.0,), (rate,) * 10)) for rate in (0.0, 3e-3))
    assert distance(trained, original) < distance(started, original) / 3


def test_step_2a_redraws_layers_of_the_pool_only(original):
    convolutions = {name for name, weight in original.named_parameters() if weight.dim() == 4}
    of_one, of_many = (
        redrawn(original, unlearn("forget_cycles", original, layers=layers, **WITHOUT_TRAINING)) for layers in (1, 30)
    )
    assert len(of_one) == 1
    assert of_one < of_many == convolutions


def test_step_2a_draws_with_replacement_so_that_three_draws_seldom_hit_three_layers(original):
    hit = [len(redrawn(original, unlearn("forget_cycles", original, s, layers=3, **WITHOUT_TRAINING))) for s in range(5)]
    assert 1 <= min(hit) < max(hit) <= 3


def test_step_2a_draws_anew_in_every_cycle(original):
    several = unlearn("forget_cycles", original, layers=1, learning_rates=((0.0,),) * 6)
    assert len(redrawn(original, several)) > 1


def test_step_2b_imitates_the_original_without_labels(original):
    def of_one_cycle(rate):
        return unlearn("forget_cycles", original, learning_rates=((rate,) * 10,))

    assert distance(of_one_cycle(3e-3), original) < distance(of_one_cycle(0.0), original) / 3
    images, labels = examples(DATA.retain)
    results = []
    for wrong in (0, 3):
        net = frozen_copy(original).requires_grad_(True)
        torch.manual_seed(0)
        forget_cycles.unlearning(net, [(images, (labels + wrong) % 10)], None, None, learning_rates=((0.05,),))
        results.append(weights(net))
    assert torch.equal(*results)


def test_step_2b_has_an_epoch_for_each_learning_rate_of_a_cycle(original):
    """Batch-norm counts batches: six to an epoch."""
    for rates, epochs in (((), 0), (((0.0,),), 1), (((0.0,), (0.0, 0.0), (0.0, 0.0)), 5)):
        net = unlearn("forget_cycles", original, learning_rates=rates)
        assert net[2].num_batches_tracked - original[2].num_batches_tracked == 6 * epochs
    late = unlearn("forget_cycles", original, layers=0, learning_rates=((0.0, 0.05),), noise=0)
    assert not torch.equal(weights(late), weights(original))


def test_step_2b_adds_noise_to_the_images(original):
    """It shows in the variance after the first convolution, of which the statistics keep a tenth per batch."""
    quiet, noisy = (unlearn("forget_cycles", original, noise=noise, **WITHOUT_TRAINING, layers=0) for noise in (0, 20.0))
    squares = (original[1].weight.detach() / TASK.pixel_std[0]).square().sum(dim=(1, 2, 3))
    added = 20**2 * squares * (1 - 0.9**6)
    # The border sees less noise: corners four ninths of it.
    ratio = (noisy[2].running_var - quiet[2].running_var) / added
    assert 0.8 < ratio.mean() < 1.05


def test_network_and_teacher_see_the_same_noise():
    """Two equal networks without batch-norm then always agree, and nothing moves."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    before = weights(net)
    forget_cycles.imitate(net, frozen_copy(net), given()[0], noise=10.0, optimiser=sgd(net, 1.0, weight_decay=0.0))
    assert torch.equal(weights(net), before)
