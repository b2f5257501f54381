import numpy as np
import pytest
from msgspec import UNSET

from evaluation.metric.epsilon import epsilons
from evaluation.metric.forgetting import points
from evaluation.metric.measured import Measured
from evaluation.metric.measures import scores
from evaluation.metric.memorisation import memorisation
from evaluation.metric.outputs import Outputs

EXAMPLES = 10
SHIFTS = np.linspace(-1, 3, EXAMPLES)[::-1]  # the first example is the most memorised
SPREADS = np.linspace(0.5, 2, EXAMPLES)


def population(seed, models=64, shift=0.0):
    values = np.random.default_rng(seed).normal(shift * SPREADS, SPREADS, (models, EXAMPLES))
    return Outputs({"forget": np.arange(100, 100 + EXAMPLES)}, {"forget": values}, None, {})


def measured(unlearned, retrained, original):
    return scores(unlearned, retrained, retrained.halves(), original, workers=1)


def test_memorisation_is_the_shift_in_standard_deviations_whatever_the_units_and_numbers_of_models():
    original, retrained = population(0, 1000, SHIFTS).confidences["forget"], population(1, 4000).confidences["forget"]
    found = memorisation(original, retrained)
    assert found == pytest.approx(SHIFTS, abs=0.2)
    assert memorisation(7 * original + 3, 7 * retrained + 3) == pytest.approx(found)


def test_every_example_has_its_memorisation_beside_its_epsilon():
    retrained, original = population(1), population(2, 24, SHIFTS)
    card = measured(population(0), retrained, original)
    expected = memorisation(original.confidences["forget"], retrained.confidences["forget"])
    assert [each.example for each in card.epsilons] == list(range(100, 110))
    assert [each.memorisation for each in card.epsilons] == expected.tolist()
    assert card.memorisation.value.median == np.median(expected)
    assert card.originals_models == 24


def test_f_is_told_by_thirds_from_the_least_to_the_most_memorised():
    unlearned, retrained, original = population(0, shift=SHIFTS / 2), population(1), population(2, 24, 2 * SHIFTS)
    found = measured(unlearned, retrained, original).memorisation.value
    parts = [9, 8, 7, 6], [5, 4, 3], [2, 1, 0]  # examples in the order of their shift
    for population_, quality in ((unlearned, found.forgetting_quality), (original, found.originals_quality)):
        of_examples = epsilons(population_.confidences["forget"], retrained.confidences["forget"])
        assert quality == [points(of_examples, population_.models)[part].mean() for part in parts]
    assert found.thirds == sorted(found.thirds)


def test_examples_on_which_retrained_models_agree_have_no_memorisation():
    retrained = population(1)
    retrained.confidences["forget"][:, 3] = 1.0
    card = measured(population(0), retrained, population(2, shift=SHIFTS))
    assert card.epsilons[3].memorisation is UNSET
    assert np.isfinite(card.memorisation.value.median)
    retrained.confidences["forget"][:, 2:] = 1.0
    assert "fewer than three forget examples" in measured(population(0), retrained, population(2)).memorisation.reason


def test_without_originals_there_is_a_reason():
    card = measured(population(0), population(1), None)
    assert card.memorisation == card.originals_score == Measured(reason="original models are not known")
    assert all(each.memorisation is UNSET for each in card.epsilons)
