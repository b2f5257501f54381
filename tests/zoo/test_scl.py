import copy
import math

import torch
from torch.optim.lr_scheduler import ConstantLR

from solutions import scl
from starting_kit import contract
from trials import DATA, examples, logits, loss, small_net, unlearn, weights


def entropy(net):
    p = logits(net, DATA.forget).softmax(dim=1)
    return -(p * p.clamp_min(1e-12).log()).sum(dim=1).mean().item()


def unevenness(net):
    """How differently similar forget examples are to the retain examples; 0 if each is equally similar to all."""
    z_f, z_r = logits(net, DATA.forget), logits(net, DATA.retain)
    return -(z_f @ z_r.T / 1.15).log_softmax(dim=1).mean().item() - math.log(len(DATA.retain))


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("scl"), []).hyperparameters == {
        "uniform_learning_rate": 5e-3,
        "cycles": 8,
        "temperature": 1.15,
        "forget_learning_rate": 3e-4,
        "retain_learning_rate": 1e-3 * 256 / 64,
        "retain_batch_size": 256,
        "weight_decay": 1e-2,
    }


def test_divergence_is_zero_for_uniform_predictions_and_equals_its_sum():
    z = torch.randn(6, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = (0.1 * (0.1 / z.softmax(dim=1)).log()).sum(dim=1).mean()
    torch.testing.assert_close(scl.divergence_from_uniform(z), expected)
    assert scl.divergence_from_uniform(torch.zeros(3, 10)).abs() < 1e-6


def test_step_1_makes_forget_predictions_more_uniform(original):
    pulled = unlearn("scl", original, cycles=0, uniform_learning_rate=0.05)
    assert 2 * entropy(original) < entropy(pulled) < math.log(10)


def test_step_2a_makes_forget_examples_equally_similar_to_retain_examples(original):
    """The gradient descends: in the paper's words, ascending, they would become less so."""
    only = {"uniform_learning_rate": 0, "retain_learning_rate": 0, "weight_decay": 0}
    assert 0 <= unevenness(unlearn("scl", original, forget_learning_rate=5e-3, **only)) < unevenness(original) / 2


def test_step_2a_contrasts_with_retain_logits_that_have_no_gradient():
    """One step of plain SGD, written out: forget logits move, and the logits that they are compared with count as constants."""
    net, forget, retain = small_net().train(), DATA.forget[:6], DATA.retain[:9]
    by_hand = copy.deepcopy(net)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    of_forget, of_retain = ([(images.double(), labels)] for images, labels in map(examples, (forget, retain)))
    scl.forget_round(net, of_forget, of_retain, 1.15, optimiser, ConstantLR(optimiser, factor=1))
    z_f, z_r = (by_hand(batch[0][0]) for batch in (of_forget, of_retain))
    similarities = [[(f * r.detach()).sum() / 1.15 for r in z_r] for f in z_f]
    of_each = [torch.stack(row).exp().sum().log() - torch.stack(row).mean() for row in similarities]
    torch.stack(of_each).mean().backward()
    expected = torch.cat([(weight - 0.1 * weight.grad).detach().flatten() for weight in by_hand.parameters()])
    torch.testing.assert_close(weights(net), expected, rtol=0, atol=1e-10)
    assert (weights(net) - weights(by_hand)).abs().max() > 1e-5


def test_step_2b_repairs_what_step_1_broke(original):
    broken = unlearn("scl", original, cycles=0, uniform_learning_rate=0.1)
    repaired = unlearn("scl", original, uniform_learning_rate=0.1, forget_learning_rate=0)
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 2
