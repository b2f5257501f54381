import copy
import dataclasses

import torch

from solutions import rum
from starting_kit import contract
from trials import DATA, accuracy, changed, examples, given, logits, loss, unlearn, weights


def groups_of(net, forget):
    """Ids of forget examples in three groups, the most confidently classified first."""
    confidence = logits(net, forget).double().softmax(dim=1).gather(1, examples(forget)[1][:, None])[:, 0]
    return forget[confidence.argsort(descending=True)].reshape(3, -1)


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("rum"), []).hyperparameters == {
        "finetune_epochs": 10,
        "finetune_learning_rate": 0.1,
        "salun_epochs": 5,
        "salun_learning_rate": 0.1,
        "salun_fraction": 0.5,
        "weight_decay": 5e-4,
    }


def test_the_examples_that_the_network_is_least_confident_about_count_as_memorised(original):
    found = rum.by_memorisation(original, given("dict")[1])
    ids = [sorted(id for batch in group for id in batch["person_id"].tolist()) for group in found]
    assert ids == [sorted(group.tolist()) for group in groups_of(original, DATA.forget)]


def test_only_the_most_memorised_group_gets_wrong_labels(original):
    few = dataclasses.replace(DATA, retain=DATA.retain[:200], forget=DATA.forget[:30])  # soon learnt by heart
    unlearned = unlearn("rum", original, data=few, finetune_epochs=0, salun_epochs=40, salun_learning_rate=0.05)
    low, medium, high = (accuracy(unlearned, group) for group in groups_of(original, few.forget))
    assert high < 0.3
    assert min(low, medium) > 0.7


def test_fine_tuning_lowers_the_retain_loss(original):
    spoiled = copy.deepcopy(original)
    with torch.no_grad():
        spoiled[-1].weight.mul_(0.3)
    assert loss(unlearn("rum", spoiled, salun_epochs=0), DATA.retain) < loss(spoiled, DATA.retain) / 2


def test_salun_comes_after_fine_tuning_and_changes_the_given_fraction_of_what_that_left(original):
    finetuned, both = (unlearn("rum", original, salun_epochs=epochs, salun_fraction=0.3) for epochs in (0, 5))
    moved = sum(where.sum().item() for where in changed(finetuned, both).values())
    assert moved == round(0.3 * len(weights(original)))
