import copy
from itertools import product

import pytest
import torch

from solutions import gkt_deep_inversion
from starting_kit import contract, runner
from starting_kit.loaders import loaders
from trials import CLASS_DATA, CLASS_TASK, accuracy, steps, unlearn, weights

OTHERS = (0, 1, 2, 4, 5, 6, 7, 8, 9)


def ordered(image):
    """An image's numbers."""
    return tuple(image.flatten().tolist())


def test_published_values_are_the_defaults():
    values = contract.describe(contract.find("gkt_deep_inversion"), []).hyperparameters
    assert {name: values[name] for name in ("per_class", "epochs", "learning_rate", "weight_decay", "most_gradient")} == {
        "per_class": 100,
        "epochs": 50,
        "learning_rate": 1e-3,
        "weight_decay": 1e-4,
        "most_gradient": 0.1,
    }
    assert values["soft_labels"]  # this is ours


@pytest.fixture
def seen(monkeypatch):
    """What the steps give each other: images and labels, the network before training, what an epoch is given."""
    seen = {"epochs": []}
    invert, reinitialise, train_epoch = (
        getattr(gkt_deep_inversion, name) for name in ("invert", "reinitialise", "train_epoch")
    )

    def keep_images(net, *arguments, **settings):
        seen["inverted"] = copy.deepcopy(net)
        seen["images"] = invert(net, *arguments, **settings)
        return seen["images"]

    def keep_fresh(net):
        reinitialise(net)
        seen["fresh"] = copy.deepcopy(net)

    def keep_epoch(net, loader, optimiser):
        given = list(loader)
        train_epoch(net, given, optimiser)
        seen["epochs"].append((given, optimiser, [weight.grad.clone() for weight in net.parameters()], net.training))

    monkeypatch.setattr(gkt_deep_inversion, "invert", keep_images)
    monkeypatch.setattr(gkt_deep_inversion, "reinitialise", keep_fresh)
    monkeypatch.setattr(gkt_deep_inversion, "train_epoch", keep_epoch)
    return seen


def run(net, **settings):
    """The solution itself on data-free loaders, on a copy of a network."""
    net = copy.deepcopy(net)
    runner.start_afresh(0)
    gkt_deep_inversion.unlearning(net, *loaders(CLASS_TASK, CLASS_DATA, "tuple", data_free=True), **settings)
    return net


def test_step_1_inverts_the_original_for_the_other_classes(original, seen):
    run(original, per_class=4, iterations=1, epochs=1)
    assert torch.equal(weights(seen["inverted"]), weights(original))
    assert seen["images"][1].bincount(minlength=10).tolist() == [4 * (label in OTHERS) for label in range(10)]


def test_step_2_all_weights_and_statistics_are_new(original, seen):
    run(original, per_class=4, iterations=1, epochs=1)
    for name, weight in seen["fresh"].state_dict().items():
        if name.endswith(("running_mean", "num_batches_tracked")):
            assert not weight.any()
        elif weight.dim() > 1:
            assert not torch.equal(weight, original.state_dict()[name])


def test_step_3_trains_on_the_images_and_their_classes(original, seen):
    run(original, per_class=8, iterations=1, epochs=3, most_gradient=1e-3, jitter=0, soft_labels=False)
    images, labels = (part.tolist() for part in seen["images"])
    pairs = sorted(zip(images, labels, strict=True))
    assert len(seen["epochs"]) == 3
    for loader, optimiser, gradients, in_train_mode in seen["epochs"]:
        assert in_train_mode
        assert sorted(pair for batch in loader for pair in zip(*(part.tolist() for part in batch), strict=True)) == pairs
        (group,) = optimiser.param_groups
        assert (type(optimiser), group["lr"], group["weight_decay"]) == (torch.optim.Adam, 1e-3, 1e-4)
        assert max(gradient.abs().max().item() for gradient in gradients) == pytest.approx(1e-3)


def test_soft_labels_are_the_originals_opinions_without_the_forget_classes(original, seen):
    run(original, per_class=4, iterations=1, epochs=1, jitter=0)
    ((images, targets),) = seen["epochs"][0][0]
    with torch.no_grad():
        p = original(images).softmax(dim=1)
    p[:, 3] = 0
    torch.testing.assert_close(targets, p / p.sum(dim=1, keepdim=True))


def test_every_batch_is_shifted_as_images_were_while_they_were_made(original, seen):
    run(original, per_class=4, iterations=1, epochs=9, jitter=1 / 4)
    made = {ordered(image.roll(shift, (1, 2))) for image in seen["images"][0] for shift in product(range(-2, 3), repeat=2)}
    shown = [{ordered(image) for image in batch} for given, *_ in seen["epochs"] for batch, _ in given]
    assert all(batch <= made for batch in shown)
    assert len({frozenset(batch) for batch in shown}) > 1


def test_no_batch_is_a_single_image():
    images = torch.zeros(17, 1, 8, 8)
    for number, sizes in ((17, [8, 8]), (16, [8, 8]), (14, [8, 6])):
        loader = gkt_deep_inversion.shuffled(images[:number], torch.zeros(number), 8)
        assert [len(batch) for batch, _ in loader] == sizes


def test_the_forget_class_is_forgotten_and_the_others_are_learnt(original):
    settings = {"per_class": 20, "iterations": 60, "statistics_weight": 1.0}
    unlearned = unlearn("gkt_deep_inversion", original, task=CLASS_TASK, data=CLASS_DATA, data_free=True, **settings)
    assert accuracy(unlearned, CLASS_DATA.forget) == 0
    assert accuracy(unlearned, CLASS_DATA.retain) > 0.4


def test_pictures_have_a_row_for_each_of_the_other_classes(original):
    runner.start_afresh(0)
    given = loaders(CLASS_TASK, CLASS_DATA, "tuple", data_free=True)
    drawn = gkt_deep_inversion.pictures(original, *given, iterations=60, statistics_weight=1.0, epochs=9)
    assert drawn.shape == (9, 8, 1, 8, 8)
    with torch.no_grad():
        seen = original(drawn.flatten(0, 1)).argmax(dim=1).unflatten(0, (9, 8))
    assert (seen == torch.tensor(OTHERS)[:, None]).double().mean() > 0.9


def test_every_step_is_tested():
    assert steps("gkt_deep_inversion") == [1, 2, 3]
