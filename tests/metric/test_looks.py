"""A comparison that is looked at several times: the error is shared out, and an interval decides."""

import numpy as np
import pytest

from evaluation.metric import differences, intervals
from evaluation.metric.looks import Look, at_share, shares
from evaluation.reports import ties


@pytest.mark.parametrize("models", [[64, 128], [64, 128, 256, 512], [128, 256, 512, 1024]])
def test_the_error_is_shared_out_and_no_more(models):
    found = shares(models)
    assert sum(found) == pytest.approx(0.05)  # so that by Bonferroni's inequality one look in twenty series is wrong
    np.testing.assert_allclose(np.divide(found, models), found[0] / models[0])


@pytest.mark.parametrize("units", [16, 64, 512])
@pytest.mark.parametrize("share", [0.0033, 0.0267])
def test_an_interval_leaves_out_zero_where_the_p_value_is_below_the_share(units, share):
    random = np.random.default_rng(0)
    decided = []
    for other in np.linspace(0.02, 0.09, 40):
        deviations = random.normal(size=(2, intervals.CUTS, intervals.PARTS)) / 6
        bounds, p_value = differences.difference(0.09, deviations[0], other, deviations[1])
        low, high = at_share(bounds, units, share)
        assert low + high == pytest.approx(sum(bounds))
        decided.append(low > 0)
        assert (low > 0 or high < 0) == (ties.of_student(p_value, units) < share)
    assert 0 < sum(decided) < 40


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ((0.001, 0.05), "first is better"),
        ((-0.05, -0.001), "second is better"),
        ((0.001, 0.009), "first is better"),
        ((-0.01, 0.01), "no difference that matters"),
        ((-0.011, 0.005), None),
        ((-0.005, 0.011), None),
        ((-np.inf, np.inf), None),
        ((0.0, 0.0), "no difference that matters"),
    ],
)
def test_what_an_interval_shows(bounds, verdict):
    assert Look(64, (0.05, 0.05), bounds, 0.01, margin=0.01).verdict == verdict
