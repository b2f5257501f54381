import copy
import dataclasses

import torch
from torch.nn import functional as F

from solutions import amnesiacs
from starting_kit import contract, runner
from trials import DATA, changed, given, logits, loss, unlearn, weights

RESET = {"warm_up_epochs": 0, "epochs": 0}


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("amnesiacs"), []).hyperparameters == {
        "temperature": 5,
        "warm_up_epochs": 3,
        "warm_up_learning_rate": 9e-4,
        "epochs": 3,
        "learning_rate": 1e-3,
        "weight_decay": 5e-4,
    }


def distance(net, original):
    """KL(original‖net) on validation images at temperature 5."""
    q, p = (logits(model, DATA.validation).div(5).softmax(dim=1) for model in (original, net))
    return (q * (q / p).log()).sum(dim=1).mean().item()


def test_terms_at_a_temperature_equal_their_sums_without_a_factor():
    """In the port there is no T²."""
    z, t = torch.randn(2, 6, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q, p = (t / 5).softmax(dim=1), (z / 5).softmax(dim=1)
    torch.testing.assert_close(amnesiacs.soft_cross_entropy(z, t, 5.0), -(q * p.log()).sum(dim=1).mean())
    torch.testing.assert_close(amnesiacs.divergence(z, t, 5.0), (q * (q / p).log()).sum(dim=1).mean())


def test_step_1_draws_the_stem_and_the_head_anew_and_nothing_else(original):
    touched = {
        name: where.double().mean().item() for name, where in changed(original, unlearn("amnesiacs", original, **RESET)).items()
    }
    assert [name for name, share in touched.items() if share] == ["1.weight", "13.weight", "13.bias"]
    assert all(touched[name] > 0.99 for name in ("1.weight", "13.weight", "13.bias"))


def test_step_2_imitates_the_original_on_validation_images(original):
    reset = unlearn("amnesiacs", original, **RESET)
    warm = unlearn("amnesiacs", original, warm_up_learning_rate=0.5, warm_up_epochs=8, epochs=0)
    assert distance(warm, original) < distance(reset, original) / 2


def test_step_2_reads_neither_labels_nor_training_images(original):
    others = dataclasses.replace(DATA, labels=DATA.labels * 0, retain=DATA.test[:64], forget=DATA.test[64:128])
    first, second = (unlearn("amnesiacs", original, data=data, warm_up_epochs=1, epochs=0) for data in (DATA, others))
    assert torch.equal(weights(first), weights(second))


def test_step_3_equals_a_naive_version(original):
    """Two epochs of it, every term written out."""
    runner.start_afresh(0)
    net = copy.deepcopy(original)
    net[1].reset_parameters()
    net[-1].reset_parameters()
    net.train()
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    retain = given()[0]
    for learning_rate in (1e-3, 0.5e-3):  # a cosine over two epochs
        optimiser.param_groups[0]["lr"] = learning_rate
        for images, labels in retain:
            with torch.no_grad():
                q = original(images).div(5).softmax(dim=1)
            z = net(images)
            log_p = z.div(5).log_softmax(dim=1)
            soft = -(q * log_p).sum(dim=1).mean()
            divergence = (q * (q.log() - log_p)).sum(dim=1).mean()
            optimiser.zero_grad()
            (F.cross_entropy(z, labels) + soft + divergence).backward()
            optimiser.step()
    expected, before = weights(net), weights(unlearn("amnesiacs", original, **RESET))
    mine = weights(unlearn("amnesiacs", original, warm_up_epochs=0, epochs=2))
    torch.testing.assert_close(mine, expected, rtol=0, atol=1e-5)
    assert (mine - before).abs().max() > 1e-2


def test_step_3_learns_the_retain_set_from_labels_and_from_the_teacher(original):
    settings = {"warm_up_epochs": 0, "learning_rate": 0.2}
    reset, learnt = (unlearn("amnesiacs", original, epochs=epochs, **settings) for epochs in (0, 3))
    assert loss(learnt, DATA.retain) < loss(reset, DATA.retain) / 2


def test_step_1_the_teacher_is_the_network_as_it_was_and_does_not_move(original):
    """A hook on the network comes along into the copy that is its teacher, and sees its state in every forward pass."""
    net, seen = copy.deepcopy(original), []

    def look(module, images, outputs):
        if module is not net:
            seen.append((module.training, weights(module), module[2].running_mean.clone()))

    net.register_forward_hook(look)
    amnesiacs.unlearning(net, *given())
    assert len(seen) == 3 * len(given()[2]) + 3 * len(given()[0])
    for training, its_weights, its_statistics in seen:
        assert not training
        assert torch.equal(its_weights, weights(original))
        assert torch.equal(its_statistics, original[2].running_mean)
    assert not torch.equal(weights(net), weights(original))
