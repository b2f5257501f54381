import torch

from solutions import scl_improved
from starting_kit import contract
from test_scl import entropy, unevenness
from trials import DATA, loss, unlearn, weights


def test_published_values_are_the_defaults():
    values, of_scl = (contract.describe(contract.find(name), []).hyperparameters for name in ("scl_improved", "scl"))
    assert values == {"reverse_weight": 0.85, **of_scl}


def test_divergence_is_zero_for_uniform_predictions_and_equals_its_sum():
    z = torch.randn(6, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = z.softmax(dim=1)
    expected = (0.1 * (0.1 / p).log()).sum(dim=1).mean() + 0.85 * (p * (p / 0.1).log()).sum(dim=1).mean()
    torch.testing.assert_close(scl_improved.symmetric_divergence(z, 0.85), expected)
    assert scl_improved.symmetric_divergence(torch.zeros(3, 10), 0.85).abs() < 1e-6


def test_step_1_pulls_to_uniform_from_both_sides(original):
    """Without the reverse divergence it is `scl`."""
    pulled, one_sided, of_scl = (
        unlearn(name, original, cycles=0, uniform_learning_rate=0.05, **settings)
        for name, settings in (("scl_improved", {}), ("scl_improved", {"reverse_weight": 0}), ("scl", {}))
    )
    assert entropy(pulled) > 2 * entropy(original)
    torch.testing.assert_close(weights(one_sided), weights(of_scl), rtol=0, atol=1e-4)
    assert (weights(pulled) - weights(of_scl)).abs().max() > 1e-3


def test_step_2_has_the_forget_and_the_retain_rounds_of_scl(original):
    only = {"uniform_learning_rate": 0, "retain_learning_rate": 0, "weight_decay": 0}
    assert unevenness(unlearn("scl_improved", original, forget_learning_rate=5e-3, **only)) < unevenness(original) / 2
    broken = unlearn("scl_improved", original, cycles=0, uniform_learning_rate=0.1)
    repaired = unlearn("scl_improved", original, uniform_learning_rate=0.1, forget_learning_rate=0)
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 2
