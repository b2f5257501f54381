import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from solutions import toshi_mixture
from solutions.parts.batches import Relabelled
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, given, logits, loss, unlearn, weights

TRANSPOSED, PSEUDO_LABELLED = {"transposed_share": 1.0}, {"transposed_share": 0.0}


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("toshi_mixture"), []).hyperparameters == {
        "transposed_share": 0.5,
        "epochs": 3,
        "learning_rate": 1e-3,
        "weight_decay": 5e-4,
    }


def heads(original, calls, **settings):
    """In how many calls the kernels were transposed."""
    few = dataclasses.replace(DATA, forget=DATA.forget[:8], validation=DATA.validation[:8])
    count, before, few_loaders = 0, weights(original), loaders(TASK, few, "tuple")
    for seed in range(calls):
        net = copy.deepcopy(original)
        torch.manual_seed(seed)
        toshi_mixture.unlearning(net, *few_loaders, epochs=0, **settings)
        count += not torch.equal(weights(net), before)
    return count


def test_step_1_tosses_a_coin_in_every_call(original):
    assert 12 <= heads(original, 40) <= 28
    assert heads(original, 20, **TRANSPOSED) == 20
    assert heads(original, 20, **PSEUDO_LABELLED) == 0


def test_step_2_transposes_as_the_first_half_alone_does(original):
    by_coin, alone = unlearn("toshi_mixture", original, epochs=0, **TRANSPOSED), unlearn("transpose", original, epochs=0)
    assert torch.equal(weights(by_coin), weights(alone))


def test_step_2_repairs_on_the_retain_set_alone(original):
    settings = {"learning_rate": 0.05, **TRANSPOSED}
    broken, repaired = (unlearn("toshi_mixture", original, epochs=epochs, **settings) for epochs in (0, 3))
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 5
    others = with_labels(np.concatenate([DATA.forget, DATA.validation]), 0)
    assert torch.equal(weights(repaired), weights(unlearn("toshi_mixture", original, data=others, **settings)))


def with_labels(ids, new):
    """The data with other labels of some examples."""
    labels = DATA.labels.copy()
    labels[ids] = new
    return dataclasses.replace(DATA, labels=labels)


def share_answered_with_the_next_class(net):
    """Of the forget examples."""
    return (logits(net, DATA.forget).argmax(dim=1).numpy() == (DATA.labels[DATA.forget] + 1) % 10).mean()


def test_step_3a_labels_forget_examples_with_the_errors_on_validation_images(original):
    """Validation labels are shifted, so that the original answers each of their images with the class after its label."""
    data = with_labels(DATA.validation, (DATA.labels[DATA.validation] - 1) % 10)
    few = dataclasses.replace(data, retain=DATA.retain[:8])
    settings = {"epochs": 20, "learning_rate": 0.1, **PSEUDO_LABELLED}
    assert share_answered_with_the_next_class(original) < 0.1
    assert share_answered_with_the_next_class(unlearn("toshi_mixture", original, data=few, **settings)) > 0.7


def test_step_3b_learns_the_retain_set_too(original):
    few = dataclasses.replace(DATA, forget=DATA.forget[:2])  # from which the retain set cannot be learnt
    spoiled = unlearn("original", original)
    with torch.no_grad():
        spoiled[-1].weight.mul_(0.1)
    trained = unlearn("toshi_mixture", spoiled, data=few, epochs=5, learning_rate=0.05, **PSEUDO_LABELLED)
    assert loss(trained, DATA.retain) < loss(spoiled, DATA.retain) / 2


class Answers(nn.Module):
    """Its logits are its images."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        return images.flatten(1) * self.scale


def loader(answers, labels):
    """Of images on which `Answers` gives these answers."""
    images = torch.eye(3)[torch.tensor(answers)].view(-1, 3, 1, 1)
    return DataLoader(TensorDataset(images, torch.tensor(labels)), batch_size=64, shuffle=True)


def test_confusion_counts_the_answers_of_each_class():
    counts = toshi_mixture.confusion(Answers(), loader(answers=[0, 1, 1, 0, 2], labels=[0, 0, 0, 1, 1]))
    assert counts.tolist() == [[1, 2, 0], [1, 0, 1], [0, 0, 0]]


def test_pseudo_labels_have_the_shares_of_the_confusion_matrix():
    forget = loader(answers=[0] * 3000, labels=[0] * 1000 + [1] * 1000 + [2] * 1000)
    validation = loader(answers=[0, 0, 0, 1, 2, 2], labels=[0, 0, 0, 0, 1, 1])
    torch.manual_seed(0)
    drawn = toshi_mixture.pseudo_labels(Answers(), forget, validation)
    assert (drawn[:1000] == 1).float().mean().item() == pytest.approx(0.25, abs=0.05)
    assert not (drawn[:1000] == 2).any()
    assert (drawn[1000:2000] == 2).all()
    assert (drawn[2000:] == 2).all()  # no validation image of class 2: its examples keep their label


@pytest.mark.parametrize("batches", ["tuple", "dict"])
def test_a_loader_on_both_sets_has_every_retain_example_and_every_pseudo_label_once(batches):
    retain, forget, _ = given(batches)
    both = toshi_mixture.together(retain, Relabelled(forget.dataset, torch.full((len(DATA.forget),), 77)))
    labels = torch.cat([batch[1] if batches == "tuple" else batch["age_group"] for batch in both])
    assert (labels == 77).sum() == len(DATA.forget)
    assert torch.equal(labels[labels != 77].bincount(), torch.from_numpy(DATA.labels[DATA.retain]).bincount())
    assert both.batch_size == retain.batch_size
