import copy

import torch

from solutions import label_poison_full
from starting_kit import contract
from test_label_poison import by_image
from trials import DATA, accuracy, given, loss, unlearn


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


def test_batches_mix_both_sets(original):
    retain, forget, _ = given()
    joined = label_poison_full.join_poisoned(copy.deepcopy(original), retain, forget, 128)
    of_forget = by_image(forget)
    first, _ = next(iter(joined))
    share = sum(image.numpy().tobytes() in of_forget for image in first) / len(first)
    assert len(first) == 128
    assert 0.05 < share < 0.4


def test_training_unlearns_the_forget_set_and_keeps_the_retain_set(original):
    net = unlearn("label_poison_full", original, learning_rate=0.05, epochs=10)
    assert accuracy(net, DATA.retain) > 0.9
    assert accuracy(net, DATA.forget) < 0.9


def test_published_values_raise_the_forget_loss_more_than_the_retain_loss(original):
    net = unlearn("label_poison_full", original)
    rises = [loss(net, ids) - loss(original, ids) for ids in (DATA.forget, DATA.retain)]
    assert rises[0] > rises[1] > 0
