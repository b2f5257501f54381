import dataclasses

import pytest
import torch

from solutions.random_labels import random_labels_for, together
from starting_kit import contract, runner
from starting_kit.loaders import loaders
from trials import DATA, TASK, accuracy, examples, given, logits, unlearn


def test_published_values_are_the_defaults():
    values = contract.describe(contract.find("random_labels"), []).hyperparameters
    assert values == {"epochs": 10, "learning_rate": 3e-3, "weight_decay": 5e-4}


def test_a_random_label_is_any_class_but_the_example_s_own_with_equal_probability(original):
    """In the order of the data set, though the loader shuffles."""
    runner.start_afresh(0)
    own, forget = torch.from_numpy(DATA.labels[DATA.forget]), given()[1]
    draws = torch.stack([random_labels_for(original, forget) for _ in range(20)])
    counts = ((draws - own) % 10).flatten().bincount(minlength=10)  # 1800 draws
    assert counts[0] == 0
    assert counts[1:].min() > 150 and counts[1:].max() < 250


@pytest.mark.parametrize("batches", ["tuple", "dict"])
def test_the_sets_together_have_true_labels_on_retain_and_the_new_ones_on_forget(batches):
    retain, forget, _ = given(batches)
    new = torch.arange(len(DATA.forget)) % 7
    seen = []
    for batch in together(retain, forget, new):
        images, labels = (batch["image"], batch["age_group"]) if batches == "dict" else batch
        seen += [(image.numpy().tobytes(), label.item()) for image, label in zip(images, labels, strict=True)]
    labels = [*DATA.labels[DATA.retain].tolist(), *new.tolist()]
    ids = [*DATA.retain, *DATA.forget]
    expected = [(DATA.images[i].tobytes(), label) for i, label in zip(ids, labels, strict=True)]
    assert sorted(seen) == sorted(expected)
    assert seen != expected  # shuffled


def test_learns_one_wrong_label_for_each_forget_example_and_keeps_the_retain_labels(original):
    few = dataclasses.replace(DATA, retain=DATA.retain[:60], forget=DATA.forget[:30])  # soon learnt by heart
    runner.start_afresh(0)
    new = random_labels_for(original, loaders(TASK, few, "tuple")[1])  # what the solution draws first with this seed
    unlearned = unlearn("random_labels", original, data=few, epochs=50, learning_rate=0.05)
    assert (logits(unlearned, few.forget).argmax(dim=1) == new).double().mean() > 0.9
    assert accuracy(unlearned, few.retain) > 0.9


def test_the_number_of_classes_is_that_of_the_logits(original):
    """Forget sets need not have all classes."""
    images, labels = examples(DATA.forget)
    only_zeros = [(image, label) for image, label in zip(images, labels, strict=True) if label == 0] * 10
    drawn = random_labels_for(original, torch.utils.data.DataLoader(only_zeros, batch_size=64))
    assert set(drawn.tolist()) == set(range(1, 10))
