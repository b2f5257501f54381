import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms.v2 import functional as reference

from solutions import finetune_augmented
from starting_kit import runner
from starting_kit.loaders import loaders
from trials import DATA, TASK, examples, given, loss, unlearn


@pytest.fixture
def images():
    torch.manual_seed(0)
    return 255 * torch.rand(64, 3, 8, 12)


@pytest.mark.parametrize("rotation, jitter", [(15, 0), (0, 0.2)])
def test_every_image_is_augmented_differently_and_keeps_its_shape_type_and_label(images, rotation, jitter):
    same = images[:1].expand(64, -1, -1, -1).double()
    loader = DataLoader(TensorDataset(same, torch.arange(64)), batch_size=64)
    ((new, labels),) = finetune_augmented.augmented(loader, nn.Linear(1, 1), rotation, jitter)
    assert new.shape == same.shape and new.dtype == same.dtype
    assert len(new.flatten(1).unique(dim=0)) == 64
    assert (new - same).abs().amax(dim=(1, 2, 3)).min() > 0.1
    assert torch.equal(labels, torch.arange(64))


def test_without_rotation_and_jitter_half_of_the_images_are_mirrored_and_the_others_unchanged(images):
    loader = DataLoader(TensorDataset(images, torch.zeros(64)), batch_size=64)
    ((new, _),) = finetune_augmented.augmented(loader, nn.Linear(1, 1), rotation=0, jitter=0)
    is_same, is_mirrored = (torch.isclose(new, kind, atol=1e-2).all(dim=(1, 2, 3)) for kind in (images, images.flip(3)))
    assert (is_same ^ is_mirrored).all()
    assert 20 <= is_mirrored.sum() <= 44


def test_a_rotation_by_a_right_angle_moves_the_pixels(images):
    square, quarter = images[:2, :, :, :8], torch.tensor([90.0, -90.0])
    new = finetune_augmented.rotated(square, quarter)
    for image, rotated, turns in zip(square, new, (1, -1), strict=True):
        torch.testing.assert_close(rotated, image.rot90(turns, dims=(1, 2)), rtol=0, atol=1e-2)


def test_rotations_are_those_of_torchvision(images):
    """Away from the border, where torchvision has zeros; on images that are wider than high."""
    new = finetune_augmented.rotated(images[:2], torch.tensor([20.0, -10.0]))
    for image, rotated, angle in zip(images, new, (20.0, -10.0), strict=False):
        expected = reference.rotate(image, angle, interpolation=reference.InterpolationMode.BILINEAR)
        torch.testing.assert_close(rotated[:, 3:5, 3:9], expected[:, 3:5, 3:9], rtol=1e-3, atol=0.1)


def test_pixels_from_outside_repeat_the_border():
    constant = torch.full((1, 1, 8, 8), 100.0)
    torch.testing.assert_close(finetune_augmented.rotated(constant, torch.tensor([45.0])), constant)


def test_images_are_turned_both_ways_by_up_to_the_angle(images, monkeypatch):
    seen = []
    monkeypatch.setattr(finetune_augmented, "rotated", lambda images, degrees: seen.append(degrees) or images)
    list(finetune_augmented.augmented(DataLoader(TensorDataset(images, torch.zeros(64)), 64), nn.Linear(1, 1), 15, 0.2))
    assert -15 <= seen[0].min() < -10
    assert 10 < seen[0].max() <= 15


def test_jitter_does_not_depend_on_the_scale_of_images(images):
    def jittered(images):
        torch.manual_seed(1)
        return finetune_augmented.jittered(images, 0.5)

    torch.testing.assert_close(jittered(3 * images - 100), 3 * jittered(images) - 100, rtol=1e-4, atol=1e-2)
    assert torch.equal(finetune_augmented.jittered(images, 0.0).round(), images.round())


def test_jitter_changes_brightness_contrast_and_saturation_within_their_ranges(images):
    new = finetune_augmented.jittered(images, 0.2)
    deviation = images.std(dim=(1, 2, 3))
    shift = (new.mean(dim=(1, 2, 3)) - images.mean(dim=(1, 2, 3))) / deviation
    assert 0.15 < shift.abs().max() < 0.23
    grey, new_grey = images.mean(dim=1), new.mean(dim=1)
    contrast = new_grey.std(dim=(1, 2)) / grey.std(dim=(1, 2))
    assert 0.79 < contrast.min() < 0.9 and 1.1 < contrast.max() < 1.21
    colour, new_colour = (images - grey[:, None]).std(dim=(1, 2, 3)), (new - new_grey[:, None]).std(dim=(1, 2, 3))
    saturation = new_colour / colour / contrast
    assert 0.79 < saturation.min() < 0.9 and 1.1 < saturation.max() < 1.21


def test_it_trains_on_augmented_images_and_validates_on_plain_ones(original):
    net, seen = copy.deepcopy(original), {True: [], False: []}
    net.register_forward_pre_hook(lambda module, arguments: seen[module.training].append(arguments[0]))
    finetune_augmented.unlearning(net, *given(), most_epochs=1)
    trained, validated = (torch.cat(seen[training]).flatten(1) for training in (True, False))
    plain, plain_validation = (examples(ids)[0].flatten(1) for ids in (DATA.retain, DATA.validation))
    assert len(trained) == len(plain) and torch.cdist(trained, plain).min() > 0.1
    assert torch.equal(validated.unique(dim=0), plain_validation.unique(dim=0))


def validated(original, data=DATA, **settings):
    """The network that comes back, and the networks that were validated, one per epoch."""
    runner.start_afresh(0)
    net, seen, (retain, forget, validation) = copy.deepcopy(original), [], loaders(TASK, data, "tuple")
    hook = net.register_forward_hook(
        lambda module, images, outputs: None if module.training else seen.append(copy.deepcopy(module.state_dict()))
    )
    finetune_augmented.unlearning(net, retain, forget, validation, **settings)
    hook.remove()
    return net, [loaded(original, state) for state in seen[:: len(validation)]]


def loaded(original, state):
    net = copy.deepcopy(original)
    net.load_state_dict(state)
    return net


def test_the_weights_of_the_epoch_with_the_lowest_validation_loss_come_back(original):
    """With wrong labels every epoch is worse than the one before."""
    wrong = dataclasses.replace(DATA, labels=DATA.labels.copy())
    wrong.labels[DATA.retain] = (DATA.labels[DATA.retain] + 1) % 10
    net, epochs = validated(original, wrong, most_epochs=3)
    losses = [loss(epoch, DATA.validation) for epoch in epochs]
    assert losses[0] < losses[1] < losses[2]
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, epochs[0].state_dict()[name])


def test_it_ends_after_as_many_worse_epochs_as_its_patience(original):
    for patience in (1, 3):
        _, epochs = validated(original, learning_rate=0.1, most_epochs=30, patience=patience)
        losses = [loss(epoch, DATA.validation) for epoch in epochs]
        assert losses.index(min(losses)) + 1 + patience == len(epochs) < 30


def test_the_validation_loss_is_the_mean_over_all_examples(original):
    expected = loss(original, DATA.validation)
    assert finetune_augmented.mean_loss(original, given()[2]) == pytest.approx(expected, rel=1e-5)


def test_it_learns_the_retain_set(original):
    spoiled = unlearn("original", original)
    with torch.no_grad():
        spoiled[-1].weight.mul_(0.1)
    trained = unlearn("finetune_augmented", spoiled, learning_rate=0.02, most_epochs=5)
    assert loss(trained, DATA.retain) < loss(spoiled, DATA.retain) / 2
