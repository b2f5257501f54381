import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_pre_hook

from solutions import oracle_matching
from starting_kit import contract, runner
from starting_kit.loaders import loaders
from starting_kit.lockstep import proof
from starting_kit.networks import Normalise
from trials import DATA, TASK, accuracy, describe, examples, given, logits, small_net, unlearn, weights

PRECISE = dataclasses.replace(DATA, images=DATA.images.astype(np.float64))
SHORT = {"oracle_epochs": 2, "epochs": 2}


def keys(images):
    """Images as hashable things, in their order."""
    return [tuple(image) for image in images.flatten(1).tolist()]


IN_FORGET, IN_RETAIN = (set(keys(examples(ids)[0])) for ids in (DATA.forget, DATA.retain))


@pytest.fixture
def shown():
    """Batches of images that networks see from now on, with whether the network is in train mode."""
    seen = []

    def show(module, arguments):
        if isinstance(module, Normalise):
            seen.append((arguments[0], module.training))

    hook = register_module_forward_pre_hook(show)
    yield seen
    hook.remove()


@pytest.fixture
def oracles(monkeypatch):
    """The oracles of the runs from now on."""
    made, train = [], oracle_matching.trained_oracle
    monkeypatch.setattr(oracle_matching, "trained_oracle", lambda *given: made.append(train(*given)) or made[-1])
    return made


def run(net, seed=0, **settings):
    """What the solution makes of a copy of a network."""
    runner.start_afresh(seed)
    unlearned = copy.deepcopy(net)
    oracle_matching.unlearning(unlearned, *given(), **settings)
    return unlearned


def distance(net, other, ids):
    """The mean squared difference between the logits of two networks."""
    return (logits(net, ids) - logits(other, ids)).square().mean().item()


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("oracle_matching"), []).hyperparameters == {
        "oracle_epochs": 24,
        "oracle_learning_rate": 0.4,
        "oracle_weight_decay": 5e-4,
        "retain_multiple": 5.0,
        "epochs": 10,
        "learning_rate": 1e-3,
        "gamma": 0.95,
        "batch_size": 512,
    }


def test_the_oracle_never_sees_a_forget_example(original, shown, monkeypatch):
    of_oracle, find = [], oracle_matching.to_match
    monkeypatch.setattr(oracle_matching, "to_match", lambda *given: of_oracle.extend(shown) or find(*given))
    run(original, **SHORT)
    seen = [key for images, _ in of_oracle for key in keys(images)]
    assert len(seen) == 2 * len(DATA.retain)
    assert set(seen) == IN_RETAIN
    assert not IN_RETAIN & IN_FORGET


def test_the_oracle_owes_nothing_to_the_original_nor_to_what_is_frozen(original):
    made = []
    for net in (original, small_net().float(), copy.deepcopy(original).requires_grad_(False)):
        runner.start_afresh(0)
        made.append(weights(oracle_matching.trained_oracle(net, given()[0], 1, 0.4, 5e-4)))
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


def test_the_oracle_equals_a_plain_loop_over_the_retain_set(original):
    net = copy.deepcopy(original).double()
    retain = loaders(TASK, PRECISE, "tuple")[0]
    runner.start_afresh(0)
    oracle = oracle_matching.trained_oracle(net, retain, 4, 0.4, 5e-4)

    runner.start_afresh(0)
    for layer in net.train():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    rates = np.interp(range(24), [0, 5, 24], [0, 0.4, 0])
    optimiser = torch.optim.SGD(net.parameters(), momentum=0.9, weight_decay=5e-4)
    for step, (images, labels) in enumerate(batch for _ in range(4) for batch in retain):
        optimiser.param_groups[0]["lr"] = rates[step]
        optimiser.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimiser.step()
    torch.testing.assert_close(weights(oracle), weights(net), rtol=0, atol=1e-7)


@pytest.mark.parametrize("kit", ["tuple", "dict"])
def test_the_whole_forget_set_is_matched_with_a_multiple_of_retain_examples_drawn_anew(original, kit):
    retain, forget, _ = given(kit)
    drawn = [keys(oracle_matching.to_match(original, retain, forget, 2.5)[0]) for _ in range(2)]
    for images in drawn:
        assert len(images) == 90 + 225
        assert set(images[:90]) == IN_FORGET
        assert len(set(images[90:])) == 225
        assert set(images[90:]) < IN_RETAIN
    assert set(drawn[0]) != set(drawn[1])
    assert set(keys(oracle_matching.to_match(original, retain, forget, 5.0)[0])) == IN_FORGET | IN_RETAIN  # no 450 are there


def test_the_share_of_the_retain_set_is_that_of_the_settings(original, shown):
    run(original, retain_multiple=1.5, **SHORT)
    assert [len(images) for images, _ in shown[-2:]] == [90 + 135] * 2


def test_batches_mix_both_sets_in_train_mode_and_in_another_order_in_every_epoch(original, shown):
    run(original, retain_multiple=2.0, batch_size=80, oracle_epochs=1, epochs=2)
    of_match = shown[-8:]
    assert all(training for _, training in of_match)
    assert [len(images) for images, _ in of_match] == [80, 80, 80, 30] * 2
    orders = [keys(torch.cat([images for images, _ in epoch])) for epoch in (of_match[:4], of_match[4:])]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]
    assert all(0 < sum(key in IN_FORGET for key in order[:80]) < 80 for order in orders)


def test_equals_a_naive_version_whose_oracle_does_not_move(original):
    """All examples are one batch, so their order does not matter."""
    net = copy.deepcopy(original).double()
    unlearned = unlearn("oracle_matching", net, data=PRECISE, oracle_epochs=1, epochs=3, learning_rate=1e-2)

    runner.start_afresh(0)
    oracle = oracle_matching.trained_oracle(net, loaders(TASK, PRECISE, "tuple")[0], 1, 0.4, 5e-4)
    images = torch.from_numpy(PRECISE.images[DATA.training])
    with torch.no_grad():
        wanted = oracle.eval()(images)
    student = copy.deepcopy(net).train()
    optimiser = torch.optim.Adam(student.parameters())
    for epoch in range(3):
        optimiser.param_groups[0]["lr"] = 1e-2 * 0.95**epoch
        optimiser.zero_grad()
        (((student(images) - wanted) ** 2).sum() / (450 * 10)).backward()
        optimiser.step()
    assert (weights(student) - weights(net)).abs().max() > 1e-2
    torch.testing.assert_close(weights(unlearned), weights(student), rtol=0, atol=1e-6)


def test_outputs_come_nearer_to_those_of_the_oracle(original, oracles):
    """Also of images that neither has seen; the more so the more steps there are."""
    few = run(original)
    (oracle,) = oracles
    retain, forget, _ = given()
    images = oracle_matching.to_match(original, retain, forget, 5.0)
    many = copy.deepcopy(original)
    oracle_matching.match(many, images, oracle_matching.outputs(oracle, images, 512), 10, 3e-3, 0.95, 32)
    for ids in (DATA.forget, DATA.test):
        before, *after = (distance(net, oracle, ids) for net in (original, few, many))
        assert after[0] < 0.95 * before
        assert after[1] < 0.4 * before
    assert min(accuracy(net, DATA.test) for net in (oracle, few, many)) > 0.9


def test_every_run_has_its_own_oracle(original, oracles):
    nets = [run(original, seed, oracle_epochs=4, epochs=4, batch_size=32, learning_rate=3e-3) for seed in (0, 1)]
    for net, its, other in ((nets[0], *oracles), (nets[1], *reversed(oracles))):
        assert distance(net, its, DATA.forget) < distance(net, other, DATA.forget)


@pytest.mark.slow
def test_runs_in_lockstep(original):
    settings = {"oracle_epochs": 1, "epochs": 1, "retain_multiple": 2.0, "batch_size": 40}
    assert proof.objection(describe("oracle_matching", settings), original, TASK, DATA, "tuple") is None
