import copy
import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from solutions import rum
from solutions.salun import most_salient
from starting_kit import contract
from trials import DATA, TASK, accuracy, changed, examples, given, logits, unlearn, weights


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


def test_step_1_the_examples_that_the_network_is_least_confident_about_count_as_memorised(original):
    found = rum.by_memorisation(original, given("dict")[1])
    ids = [sorted(id for batch in group for id in batch["person_id"].tolist()) for group in found]
    assert ids == [sorted(group.tolist()) for group in groups_of(original, DATA.forget)]


def test_step_4_only_the_most_memorised_group_gets_wrong_labels(original):
    few = dataclasses.replace(DATA, retain=DATA.retain[:200], forget=DATA.forget[:30])  # soon learnt by heart
    unlearned = unlearn("rum", original, data=few, finetune_epochs=0, salun_epochs=40, salun_learning_rate=0.05)
    low, medium, high = (accuracy(unlearned, group) for group in groups_of(original, few.forget))
    assert high < 0.5
    assert min(low, medium) > 0.7


def test_step_3_fine_tunes_on_the_retain_set_and_the_most_memorised_group(original):
    """So `main_forget.py` of kairanzhao/RUM: that group is to be forgotten by the step after. The learning rate is constant."""
    few = dataclasses.replace(DATA, images=DATA.images.astype("float64"), retain=DATA.retain[:100], forget=DATA.forget[:30])
    one_batch = dataclasses.replace(TASK, loader_batch_size=1000)
    net = copy.deepcopy(original).double()
    finetuned = unlearn("rum", net, task=one_batch, data=few, finetune_epochs=3, salun_epochs=0)
    by_hand = copy.deepcopy(net).train()
    optimiser = torch.optim.SGD(by_hand.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    images, labels = examples(np.concatenate([few.retain, groups_of(original, few.forget)[2]]))
    for _ in range(3):
        optimiser.zero_grad()
        F.cross_entropy(by_hand(images.double()), labels).backward()
        optimiser.step()
    torch.testing.assert_close(weights(finetuned), weights(by_hand), rtol=0, atol=1e-8)


def test_step_4_changes_only_what_was_salient_in_the_original_network(original):
    finetuned, both = (unlearn("rum", original, salun_epochs=epochs, salun_fraction=0.3) for epochs in (0, 5))
    moved = changed(finetuned, both)
    assert sum(where.sum().item() for where in moved.values()) == round(0.3 * len(weights(original)))
    salient = most_salient(copy.deepcopy(original), rum.by_memorisation(original, given()[1])[2], 0.3)
    for ours, naive in zip(moved.values(), salient.values(), strict=True):
        assert torch.equal(ours, naive)


def test_step_4_draws_labels_anew_for_every_epoch(original, monkeypatch):
    seen, random_labels_for = [], rum.random_labels_for
    monkeypatch.setattr(rum, "random_labels_for", lambda *given: seen.append(random_labels_for(*given)) or seen[-1])
    rum.unlearning(copy.deepcopy(original), *given(), finetune_epochs=0, salun_epochs=3)
    assert [len(labels) for labels in seen] == [len(DATA.forget) // 3] * 3
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])


def test_batches_of_two_sets_mix_them():
    retain, forget, _ = given("dict")
    batch = next(iter(rum.joined(retain, forget)))
    assert batch["image"].shape[0] == retain.batch_size
    assert 0 < np.isin(batch["person_id"], DATA.forget).sum() < retain.batch_size
