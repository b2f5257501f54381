import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from starting_kit import contract
from starting_kit.errors import RunError
from trials import DATA, accuracy, examples, logits, loss, unlearn, weights

ONE_BATCH = {"retain_batch_size": 512, "forget_batch_size": 512, "weight_decay": 0}
OF_THREE_CLASSES = dataclasses.replace(DATA, forget=DATA.forget[DATA.labels[DATA.forget] >= 7])


def divergence(teacher_logits, student_logits, temperature=4.0):
    """KL(teacher‖student), written out."""
    p, q = ((z / temperature).softmax(dim=1) for z in (teacher_logits, student_logits))
    return temperature**2 * (p * (p / q).log()).sum(dim=1).mean()


def by_hand(original, losses, learning_rate):
    """A student after a step for each of the losses, which are of the student."""
    student = copy.deepcopy(original).train()
    optimiser = torch.optim.SGD(student.parameters(), lr=learning_rate, momentum=0.9)
    for loss_of in losses:
        optimiser.zero_grad()
        loss_of(student).backward()
        optimiser.step()
    return student


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("scrub"), []).hyperparameters == {
        "epochs": 3,
        "forget_epochs": 2,
        "gamma": 0.99,
        "alpha": 0.001,
        "temperature": 4.0,
        "learning_rate": 5e-4,
        "decay_epochs": [3, 5, 9],
        "weight_decay": 5e-4,
        "retain_batch_size": 128,
        "forget_batch_size": 32,
        "rewind": False,
    }


def test_step_1_the_teacher_is_the_original_in_eval_mode_all_along_and_the_student_moves(original):
    """Ten steps towards the original's predictions, which by hand are computed once and for all."""
    settings = {
        "epochs": 10,
        "forget_epochs": 0,
        "gamma": 0,
        "alpha": 1,
        "learning_rate": 0.01,
        "decay_epochs": (),
        **ONE_BATCH,
    }
    images, teacher_logits = examples(DATA.retain)[0], logits(original, DATA.retain)
    expected = by_hand(original, [lambda student: divergence(teacher_logits, student(images))] * 10, 0.01)
    assert (weights(expected) - weights(original)).abs().max() > 1e-2
    torch.testing.assert_close(weights(unlearn("scrub", original, **settings)), weights(expected), rtol=0, atol=1e-4)


def test_step_2_moves_away_from_the_original_on_the_forget_set(original):
    def distance(net):
        return divergence(logits(original, DATA.forget), logits(net, DATA.forget))

    settings = {"gamma": 0, "alpha": 0, "learning_rate": 0.02, "weight_decay": 0}
    away, stayed = (unlearn("scrub", original, forget_epochs=epochs, **settings) for epochs in (2, 0))
    assert distance(away) > 1 > 0.1 > distance(stayed)


def test_step_2_ascends_the_divergence(original):
    settings = {"epochs": 1, "gamma": 0, "alpha": 0, "learning_rate": 0.01, **ONE_BATCH}
    images, teacher_logits = examples(DATA.forget)[0], logits(original, DATA.forget)
    away = [lambda student: -divergence(teacher_logits, student(images))]
    pause = [lambda student: 0 * student(images).sum()]  # the min step of weight 0, in which only the momentum moves
    expected = by_hand(original, away + pause, 0.01)
    assert (weights(expected) - weights(original)).abs().max() > 1e-3
    torch.testing.assert_close(weights(unlearn("scrub", original, **settings)), weights(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("epochs", "forget_epochs"), [(3, 2), (3, 0), (1, 2)])
def test_step_2_is_for_the_first_epochs_only_and_step_3_for_all(original, epochs, forget_epochs):
    """Both sets have 3 batches, of 32 and 128."""
    unlearned = unlearn("scrub", original, epochs=epochs, forget_epochs=forget_epochs)
    steps = 3 * epochs + 3 * min(epochs, forget_epochs)
    assert unlearned[2].num_batches_tracked - original[2].num_batches_tracked == steps


def test_step_3_descends_cross_entropy_and_divergence_on_the_retain_set(original):
    settings = {"epochs": 3, "forget_epochs": 0, "gamma": 0.6, "alpha": 0.3, "learning_rate": 0.01, **ONE_BATCH}
    (images, labels), teacher_logits = examples(DATA.retain), logits(original, DATA.retain)

    def both(student):
        z = student(images)
        return 0.6 * F.cross_entropy(z, labels) + 0.3 * divergence(teacher_logits, z)

    expected = by_hand(original, [both] * 3, 0.01)
    torch.testing.assert_close(weights(unlearn("scrub", original, **settings)), weights(expected), rtol=0, atol=1e-5)


def test_step_3_repairs_what_step_2_broke(original):
    settings = {"epochs": 6, "learning_rate": 0.02, "decay_epochs": ()}
    broken = unlearn("scrub", original, gamma=0, alpha=0, **settings)
    assert loss(unlearn("scrub", original, **settings), DATA.retain) < loss(broken, DATA.retain) / 5


def test_step_4_returns_the_epoch_whose_forget_accuracy_is_nearest_the_last_ones_on_unseen_images_of_the_same_classes(original):
    """That is 0.8 on 40 of these unseen images; the last network errs on all the others, which are of other classes."""
    settings = {"forget_epochs": 4, "learning_rate": 0.02, "decay_epochs": ()}
    after = [unlearn("scrub", original, epochs=epochs, data=OF_THREE_CLASSES, **settings) for epochs in (1, 2, 3, 4)]
    ids = DATA.validation
    right, same = logits(after[-1], ids).argmax(dim=1).numpy() == DATA.labels[ids], DATA.labels[ids] >= 7
    unseen = np.concatenate([ids[same & right][:32], ids[same & ~right][:8], ids[~same & ~right]])

    def nearest(reference):
        return min(range(4), key=lambda epoch: abs(accuracy(after[epoch], OF_THREE_CLASSES.forget) - reference))

    assert nearest(0.8) not in (nearest(accuracy(after[-1], unseen)), 3)  # 3: without rewinding
    data = dataclasses.replace(OF_THREE_CLASSES, validation=unseen)
    rewound = unlearn("scrub", original, epochs=4, rewind=True, data=data, **settings)
    expected = after[nearest(0.8)].state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in rewound.state_dict().items())


def test_rewinding_needs_validation_images_of_the_forget_sets_classes(original):
    others = DATA.validation[DATA.labels[DATA.validation] < 7]
    with pytest.raises(RunError, match="no example is of the classes \\[7, 8, 9\\]"):
        unlearn("scrub", original, rewind=True, data=dataclasses.replace(OF_THREE_CLASSES, validation=others))
