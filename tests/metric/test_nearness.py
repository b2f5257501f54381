import numpy as np
import pytest

from evaluation.metric.nearness import NoLineError, place

EXAMPLES = 20
DIRECTION = np.linspace(-0.2, 1.5, EXAMPLES)  # from retrained models to originals
CORRELATION = 0.5


def draw(random, models, shift=0.0, correlation=CORRELATION):
    """Models whose examples share a factor, with another scale on every example."""
    values = np.sqrt(correlation) * random.normal(size=(models, 1))
    values = values + np.sqrt(1 - correlation) * random.normal(size=(models, EXAMPLES))
    return (values + shift) * np.linspace(0.5, 3, EXAMPLES) + 4


def runs(random, originals, shift, of_each=4):
    """Runs from several originals: half of their variance is their original's, so the variance of one is 1."""
    own, common = (draw(random, count, shift) for count in (originals * of_each, originals))
    groups = np.repeat(np.arange(originals), of_each)
    middle = shift * np.linspace(0.5, 3, EXAMPLES) + 4
    return middle + np.sqrt(0.5) * (own - middle + common[groups] - middle), groups


@pytest.mark.parametrize("share", [-0.5, 0.0, 0.3, 1.0, 1.4])
def test_models_moved_by_a_share_of_the_way_lie_there(share):
    random = np.random.default_rng(0)
    found = place(draw(random, 2000, share * DIRECTION), draw(random, 2000), draw(random, 1000, DIRECTION))
    assert found.position == pytest.approx(share, abs=0.1)
    assert found.interval[0] < share < found.interval[1]
    assert found.off_axis < 0.1
    assert found.nearer_to == ("retrained" if share < 0.5 else "originals")


def test_a_mixture_lies_where_its_share_of_originals_is():
    random = np.random.default_rng(1)
    mixed = np.concatenate([draw(random, 700), draw(random, 300, DIRECTION)])
    assert place(mixed, draw(random, 1000), draw(random, 1000, DIRECTION)).position == pytest.approx(0.3, abs=0.06)


def test_another_retrained_population_of_few_models_has_position_0_on_average():
    random = np.random.default_rng(2)
    found, biased = [], []
    for _ in range(400):
        unlearned, retrained = draw(random, 16, correlation=0), draw(random, 16, correlation=0)
        original = draw(random, 64, 1.5 * DIRECTION, correlation=0)
        found.append(place(unlearned, retrained, original).position)
        scale = retrained.std(axis=0, ddof=1)
        line, shift = ((values.mean(axis=0) - retrained.mean(axis=0)) / scale for values in (original, unlearned))
        biased.append(shift @ line / (line @ line))
    error = np.std(found) / np.sqrt(400)
    assert abs(np.mean(found)) < 3 * error
    assert np.mean(biased) > 3 * error  # so this test would see it


def test_models_far_from_the_line_are_near_neither_whatever_their_position():
    random = np.random.default_rng(3)
    aside = np.roll(DIRECTION, 7) - (np.roll(DIRECTION, 7) @ DIRECTION) / (DIRECTION @ DIRECTION) * DIRECTION
    aside *= 2 * np.linalg.norm(DIRECTION) / np.linalg.norm(aside)
    retrained, original = draw(random, 500), draw(random, 500, DIRECTION)
    found = place(draw(random, 500, DIRECTION / 2 + aside), retrained, original)
    assert found.position == pytest.approx(0.5, abs=0.1)
    assert found.off_axis == pytest.approx(2, abs=0.15)
    assert found.nearer_to == "neither"
    assert place(draw(random, 500, -2 * DIRECTION), retrained, original).nearer_to == "neither"  # far beyond the retrained
    assert place(draw(random, 500, DIRECTION / 2), retrained, original).nearer_to == "undecided"


def coverage(seed, unlearned, share, originals=128, repetitions=300):
    """How often the interval holds the share."""
    random, held = np.random.default_rng(seed), 0
    for _ in range(repetitions):
        models, groups = unlearned(random, share * DIRECTION)
        low, high = place(models, draw(random, 128), draw(random, originals, DIRECTION), groups).interval
        held += low <= share <= high
    return held / repetitions


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("originals", [1, 16, 128])
def test_the_interval_covers_for_other_originals(originals, share):
    """Runs of one original are alike; where there is only one, all of the spread of originals is in the runs' middle."""

    def unlearned(random, shift):
        if originals > 1:
            return runs(random, originals, shift)
        return draw(random, 1, shift) + 0.1 * draw(random, 64, correlation=0) - 0.4, np.zeros(64, dtype=int)

    assert 0.9 <= coverage(originals, unlearned, share) <= 0.99


def test_runs_of_one_original_taken_for_independent_ones_cover_too_seldom():
    def unlearned(random, shift):
        return runs(random, 16, shift, of_each=16)[0], None

    assert coverage(5, unlearned, 0.4) < 0.8


def test_originals_like_retrained_models_show_no_way():
    random = np.random.default_rng(4)
    lines = 0
    for _ in range(100):
        try:
            place(draw(random, 64), draw(random, 64), draw(random, 64))
            lines += 1
        except NoLineError as error:
            assert str(error) == "originals and retrained models cannot be told apart"
    assert lines <= 3
    with pytest.raises(NoLineError, match="fewer than 8 models of a kind"):
        place(draw(random, 7), draw(random, 64), draw(random, 64, DIRECTION))
    constant = np.ones((16, EXAMPLES))
    with pytest.raises(NoLineError, match="cannot be told apart"):
        place(constant, constant, constant + 1)
