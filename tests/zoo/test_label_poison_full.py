import copy

import torch
from torch.nn import functional as F

from solutions import label_poison, label_poison_full
from starting_kit import contract, runner
from test_label_poison import by_image
from trials import DATA, accuracy, examples, given, loss, unlearn, weights


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("label_poison_full"), []).hyperparameters == {
        "epochs": 5,
        "learning_rate": 2e-3,
        "batch_size": 128,
        "weight_decay": 5e-4,
    }


def test_retain_examples_keep_their_labels_and_forget_examples_get_random_ones(original):
    retain, forget, _ = given()
    torch.manual_seed(0)
    joined = label_poison_full.join_poisoned(copy.deepcopy(original), retain, forget, 128)
    read, of_retain, of_forget = by_image(joined), by_image(retain), by_image(forget)
    assert read == by_image(joined)  # drawn once
    assert len(read) == 450
    assert all(read[image] == label for image, label in of_retain.items())
    assert sum(read[image] == label for image, label in of_forget.items()) < 25  # of 90: by chance 9, 5 standard errors


def test_equals_a_naive_version_in_the_sets_own_order_at_rates_that_fall_as_a_cosine(original):
    unlearned = unlearn("label_poison_full", original, epochs=3, learning_rate=0.01)

    runner.start_afresh(0)
    random_labels = label_poison.random_labels(copy.deepcopy(original), given()[1])
    images, labels = examples(DATA.retain)
    batches = list(
        zip(
            torch.cat([images, examples(DATA.forget)[0]]).split(128),
            torch.cat([labels, random_labels]).split(128),
            strict=True,
        )
    )
    net = copy.deepcopy(original).train()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    for rate in (0.01, 0.0075, 0.0025):
        optimiser.param_groups[0]["lr"] = rate
        for images, labels in batches:
            optimiser.zero_grad()
            F.cross_entropy(net(images), labels).backward()
            optimiser.step()
    torch.testing.assert_close(weights(unlearned), weights(net), rtol=0, atol=1e-5)
    assert (weights(unlearned) - weights(original)).abs().max() > 1e-2


def test_training_unlearns_the_forget_set_and_keeps_the_retain_set(original):
    net = unlearn("label_poison_full", original, learning_rate=0.1, epochs=20)
    assert accuracy(net, DATA.retain) > 0.9
    assert accuracy(net, DATA.forget) < 0.9


def test_published_values_raise_the_forget_loss_more_than_the_retain_loss(original):
    net = unlearn("label_poison_full", original)
    rises = [loss(net, ids) - loss(original, ids) for ids in (DATA.forget, DATA.retain)]
    assert rises[0] > rises[1] > 0
