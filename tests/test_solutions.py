import copy
import math

import pytest
import torch
from torch.nn import functional as F

from solutions import finetune, gradient_ascent, scl, scl_improved
from starting_kit import contract, runner, tasks
from starting_kit.loaders import loaders
from starting_kit.training import train

TASK = tasks.find("digits")
DATA = TASK.load()
MOVING = [name for name in contract.zoo() if name != "original"]


@pytest.fixture(scope="module")
def original():
    return train(TASK, DATA, DATA.training, [0])[0]


def unlearn(name, net, seed=0, batches="tuple", settings=()):
    solution = contract.describe(contract.find(name), list(settings))
    runner.start_afresh(seed)
    net = copy.deepcopy(net)
    return runner.call(solution, net, TASK, DATA, batches)


def weights(net):
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def losses(net, ids):
    with torch.no_grad():
        return F.cross_entropy(net(torch.from_numpy(DATA.images[ids])), torch.from_numpy(DATA.labels[ids])).item()


@pytest.mark.parametrize("name", MOVING)
def test_moves_the_weights_repeats_with_its_seed_and_differs_between_seeds(original, name):
    first, again, other = (unlearn(name, original, seed) for seed in (0, 0, 1))
    assert (weights(first) - weights(original)).abs().max() > 1e-6  # one epoch at 1e-3 moves a trained network little
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


@pytest.mark.parametrize("name", contract.zoo())
def test_reads_both_kits_batches_alike_and_leaves_the_network_in_order(original, name):
    as_tuples, as_dicts = (unlearn(name, original, batches=batches) for batches in ("tuple", "dict"))
    assert torch.equal(weights(as_tuples), weights(as_dicts))
    assert not as_tuples.training
    assert all(parameter.requires_grad for parameter in as_tuples.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in as_tuples.modules())


@pytest.mark.parametrize("name", contract.zoo())
def test_says_what_it_does_and_where_it_comes_from(name):
    text = contract.load(contract.find(name)).__doc__
    assert len(text.splitlines()[0]) > 20
    if name != "original":
        assert "Source:" in text
        assert "Reported:" in text
        assert "1. " in text


def test_original_changes_nothing(original):
    assert torch.equal(weights(unlearn("original", original)), weights(original))


def test_finetune_lowers_the_retain_loss_and_does_not_read_the_forget_set(original):
    spoiled = copy.deepcopy(original)
    with torch.no_grad():
        spoiled[-1].weight.mul_(0.3)
    before = losses(spoiled, DATA.retain)
    finetune.unlearning(spoiled, loaders(TASK, DATA, "tuple")[0], None, None, epochs=5, learning_rate=0.05)
    assert losses(spoiled, DATA.retain) < before / 2


def test_published_values_are_the_defaults():
    def values(name):
        return contract.describe(contract.find(name), []).hyperparameters

    assert values("finetune") == {"epochs": 1, "learning_rate": 1e-3, "weight_decay": 5e-4}
    published = {
        "uniform_learning_rate": 5e-3,
        "cycles": 8,
        "temperature": 1.15,
        "forget_learning_rate": 3e-4,
        "retain_learning_rate": 1e-3 * 256 / 64,
        "retain_batch_size": 256,
        "weight_decay": 1e-2,
    }
    assert values("scl") == published
    assert values("scl_improved") == {"reverse_weight": 0.85, **published}
    assert values("gradient_ascent") == {"rounds": "3F-1R-2F-1R-2F-1R", "learning_rate": 2e-3, "project": True}


# --- scl and scl_improved


def test_divergences_are_zero_for_uniform_predictions_and_equal_their_sums():
    logits = torch.randn(6, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = logits.softmax(dim=1)
    from_uniform = (0.1 * (0.1 / p).log()).sum(dim=1).mean()
    to_uniform = (p * (p / 0.1).log()).sum(dim=1).mean()
    torch.testing.assert_close(scl.divergence_from_uniform(logits), from_uniform)
    torch.testing.assert_close(scl_improved.symmetric_divergence(logits, 0.85), from_uniform + 0.85 * to_uniform)
    assert scl_improved.symmetric_divergence(torch.zeros(3, 10), 0.85).abs() < 1e-6


def test_the_first_stage_makes_forget_predictions_more_uniform(original):
    def entropy(net):
        with torch.no_grad():
            p = net(torch.from_numpy(DATA.images[DATA.forget])).softmax(dim=1)
        return -(p * p.clamp_min(1e-12).log()).sum(dim=1).mean().item()

    for name in ("scl", "scl_improved"):
        pulled = unlearn(name, original, settings=["cycles=0", "uniform_learning_rate=0.05"])
        assert entropy(pulled) > 2 * entropy(original)
        assert entropy(pulled) < math.log(10)


def test_without_reverse_weight_scl_improved_is_scl(original):
    improved = unlearn("scl_improved", original, settings=["reverse_weight=0", "cycles=2"])
    torch.testing.assert_close(weights(improved), weights(unlearn("scl", original, settings=["cycles=2"])), rtol=0, atol=1e-4)
    assert not torch.equal(weights(unlearn("scl_improved", original)), weights(unlearn("scl", original)))


def test_forget_rounds_make_forget_examples_equally_similar_to_retain_examples(original):
    retain, forget, _ = loaders(TASK, DATA, "tuple")

    def unevenness(net):
        with torch.no_grad():
            z_f, z_r = (net(torch.from_numpy(DATA.images[ids])) for ids in (DATA.forget, DATA.retain))
        return -(z_f @ z_r.T / 1.15).log_softmax(dim=1).mean().item() - math.log(len(DATA.retain))

    net = copy.deepcopy(original).train()
    optimiser = torch.optim.SGD(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimiser)
    for _ in range(20):
        scl.forget_round(net, forget, retain, 1.15, optimiser, schedule)
    assert 0 <= unevenness(net.eval()) < unevenness(original) / 2


def test_scl_repairs_what_the_first_stage_broke(original):
    broken = unlearn("scl", original, settings=["cycles=0", "uniform_learning_rate=0.1"])
    repaired = unlearn("scl", original, settings=["cycles=8", "uniform_learning_rate=0.1"])
    assert losses(repaired, DATA.retain) < losses(broken, DATA.retain) / 2


# --- gradient_ascent


def test_orthogonal_component_is_orthogonal_and_keeps_the_rest():
    vector, to = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rest = gradient_ascent.orthogonal_component(vector, to)
    assert abs(rest @ to) < 1e-9
    torch.testing.assert_close(rest + (vector @ to) / (to @ to) * to, vector)
    torch.testing.assert_close(gradient_ascent.orthogonal_component(vector, torch.zeros_like(to)), vector)


def test_rounds_are_spelt_out():
    assert gradient_ascent.parse_rounds("3F-1R-2F-1R-2F-1R") == "FFFRFFRFFR"
    with pytest.raises(ValueError, match="must read like 3F-1R"):
        gradient_ascent.parse_rounds("3F,1R")


def test_every_step_has_the_length_of_the_learning_rate(original):
    net = copy.deepcopy(original)
    retain, forget, _ = loaders(TASK, DATA, "tuple")
    batches = [next(iter(forget))]
    gradient_ascent.one_epoch(net, batches, retain, 0.01, project=True)
    assert (weights(net) - weights(original)).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_a_step_leaves_the_other_loss_alone_only_with_projection():
    net = train(TASK, DATA, DATA.retain, [1])[0].double()  # its forget loss is not flat
    retain, forget, _ = (
        [(images.double(), labels)] for images, labels in (next(iter(loader)) for loader in loaders(TASK, DATA, "tuple"))
    )

    def change(project):
        moved = copy.deepcopy(net)
        gradient_ascent.one_epoch(moved, forget, retain, 1e-4, project)
        return [batch_loss(moved, part) - batch_loss(net, part) for part in (forget[0], retain[0])]

    def batch_loss(model, batch):
        return F.cross_entropy(model(batch[0]), batch[1]).item()

    (forget_change, retain_change), (_, whole_retain_change) = change(project=True), change(project=False)
    assert forget_change > 0
    assert abs(retain_change) < abs(whole_retain_change) / 10


def test_plain_ascent_raises_the_forget_loss(original):
    ascended = unlearn("gradient_ascent", original, settings=["rounds=5F", "project=false", "learning_rate=0.1"])
    assert losses(ascended, DATA.forget) > 5 * losses(original, DATA.forget)
