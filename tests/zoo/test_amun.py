import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Subset

from solutions import amun
from solutions.parts.batches import Relabelled, batches
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, accuracy, examples, given, loss, unlearn, weights

PRECISE = dataclasses.replace(DATA, images=DATA.images.astype("float64"))


def naive_attack(net, image, label):
    """The published search, for one image whose pixels lie between 0 and 16; the image found and the last radius."""
    near, radius = image.clone(), 0.04 * 16
    while True:
        for _ in range(50):
            near.requires_grad_(True)
            z = net(near[None])
            if z.argmax() != label:
                return near.detach(), radius
            (gradient,) = torch.autograd.grad(F.cross_entropy(z, label[None]), near)
            away = near.detach() + radius / 10 * gradient / gradient.norm() - image
            near = (image + away * min(1, radius / away.norm())).clamp(0, 16).detach()
        radius *= 2


def listed(dataset):
    """All examples of a data set."""
    return [dataset[index] for index in range(len(dataset))]


@pytest.fixture(scope="module")
def attacked(original):
    """A network, twelve forget images and labels, and what the attack makes of them."""
    net = copy.deepcopy(original).double().eval()
    images, labels = examples(DATA.forget[:12])
    images = images.double()
    return net, images, labels, amun.attack(net, images, labels, 0.04, 50, 0.0, 16.0)


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("amun"), []).hyperparameters == {
        "radius": 0.04,
        "steps": 50,
        "epochs": 10,
        "learning_rate": 0.01,
        "gamma": 0.1,
        "batch_size": 128,
        "weight_decay": 5e-4,
    }


def test_step_1_finds_what_the_published_search_finds_for_each_image_alone(attacked):
    net, images, labels, near = attacked
    for index in (0, 1, 2):
        expected, radius = naive_attack(net, images[index], labels[index])
        torch.testing.assert_close(near[index], expected, rtol=0, atol=1e-6)
        assert (near[index] - images[index]).norm() <= radius + 1e-9


def test_step_1_deceives_the_network_with_images_in_the_range_of_pixels(attacked):
    net, images, labels, near = attacked
    assert (net(near).argmax(dim=1) != labels).all()
    assert near.min() >= 0 and near.max() <= 16
    assert (near - images).flatten(1).norm(dim=1).max() < 16  # two hand-written digits are farther apart


def test_step_1_an_image_that_is_wrong_already_stays_and_one_that_cannot_be_deceived_is_left_out():
    always_3 = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.zeros_(always_3[1].weight)
    nn.init.constant_(always_3[1].bias, 0.0)
    always_3[1].bias.data[3] = 1.0
    found = amun.adversarial(always_3, given()[1], 4.0, 1)
    others = DATA.forget[DATA.labels[DATA.forget] != 3]
    images, labels = zip(*listed(found), strict=True)
    assert set(map(int, labels)) == {3}
    assert torch.equal(torch.stack(images), examples(others)[0])


@pytest.mark.parametrize("kit", ["tuple", "dict"])
def test_step_1_labels_are_what_the_network_takes_the_images_for(original, kit):
    found = amun.adversarial(copy.deepcopy(original), given(kit)[1], 0.5, 10)
    loader = torch.utils.data.DataLoader(found, batch_size=90)
    ((images, labels),) = list(batches(loader, original))
    assert len(images) > 80
    assert torch.equal(original(images).argmax(dim=1), labels)
    assert (labels != torch.from_numpy(DATA.labels[DATA.forget[found.indices]])).all()


def test_step_2_equals_a_plain_loop_on_everything(original):
    net = copy.deepcopy(original).double()
    naive = copy.deepcopy(net)
    retain, forget, _ = loaders(TASK, PRECISE, "tuple")
    settings = {"radius": 0.5, "steps": 10, "learning_rate": 0.02, "gamma": 0.5}
    torch.manual_seed(0)
    amun.unlearning(net, retain, forget, None, epochs=2, **settings)
    torch.manual_seed(0)
    found = listed(amun.adversarial(naive, forget, 0.5, 10))
    images = torch.cat([examples(np.concatenate([DATA.retain, DATA.forget]))[0].double(), torch.stack([x for x, _ in found])])
    labels = torch.cat(
        [torch.from_numpy(DATA.labels[np.concatenate([DATA.retain, DATA.forget])]), torch.tensor([y for _, y in found])]
    )
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, labels), batch_size=128, shuffle=True)
    optimiser = torch.optim.SGD(naive.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    naive.train()
    for rate in (0.02, 0.01):
        optimiser.param_groups[0]["lr"] = rate
        for batch, wanted in loader:
            optimiser.zero_grad()
            F.cross_entropy(naive(batch), wanted).backward()
            optimiser.step()
    torch.testing.assert_close(weights(net), weights(naive), rtol=0, atol=1e-9)


def test_wrong_labels_take_confidence_from_the_forget_set_alone(original, monkeypatch):
    """Against the same images with their own labels; the loss there is less than half, and the published rate hardly moves."""
    settings = {"radius": 0.5, "steps": 10, "gamma": 1.0}
    unlearned = unlearn("amun", original, **settings)
    found = amun.adversarial(copy.deepcopy(original), given()[1], 0.5, 10)
    assert isinstance(found.dataset, Relabelled)
    with_own_labels = Subset(found.dataset.dataset, found.indices)
    monkeypatch.setattr(amun, "adversarial", lambda *_: with_own_labels)
    trained = copy.deepcopy(original)
    amun.unlearning(trained, *given(), **settings)
    assert loss(unlearned, DATA.forget) > 1.5 * loss(trained, DATA.forget)
    assert loss(unlearned, DATA.retain) < loss(unlearned, DATA.forget)
    assert accuracy(unlearned, DATA.retain) > 0.97
