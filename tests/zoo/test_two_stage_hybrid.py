import torch

from starting_kit import contract
from trials import DATA, accuracy, loss, unlearn, weights

STRONG = {"poison_epochs": 10, "poison_learning_rate": 0.05}


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("two_stage_hybrid"), []).hyperparameters == {
        "poison_epochs": 1,
        "poison_learning_rate": 1e-2,
        "epochs": 5,
        "learning_rate": 1e-3,
        "batch_size": 128,
        "weight_decay": 5e-4,
    }


def test_the_first_stage_breaks_forget_predictions_and_reads_no_retain_example(original):
    assert accuracy(unlearn("two_stage_hybrid", original, epochs=0, **STRONG), DATA.forget) < 0.4


def test_the_first_stage_alone_is_label_poison(original):
    stage = unlearn("two_stage_hybrid", original, epochs=0)
    poisoned = unlearn("label_poison", original, learning_rate=1e-2)
    assert all(tensor.equal(poisoned.state_dict()[name]) for name, tensor in stage.state_dict().items())


def test_the_second_stage_repairs_the_retain_set(original):
    broken, repaired = (unlearn("two_stage_hybrid", original, epochs=epochs, learning_rate=0.05, **STRONG) for epochs in (0, 5))
    assert loss(repaired, DATA.retain) < 0.5 * loss(broken, DATA.retain)


def test_the_second_stage_goes_through_the_retain_set_in_its_order(original):
    """Without the first stage nothing is left to chance."""
    one, other = (weights(unlearn("two_stage_hybrid", original, seed, poison_epochs=0, epochs=1)) for seed in (0, 1))
    assert torch.equal(one, other)
    assert not torch.equal(one, weights(original))
