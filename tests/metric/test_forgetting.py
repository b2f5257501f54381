import numpy as np
import pytest

from evaluation.metric.forgetting import forgetting_quality, points


def test_points_halve_with_every_bin_and_end_with_the_last():
    edges = np.arange(0, 7, 0.5)  # 14 bins at 512 models: ln(511) = 6.24, rounded up to 7
    np.testing.assert_array_equal(points(edges, 512), 0.5 ** np.arange(14))
    np.testing.assert_array_equal(points(np.nextafter(edges[1:], 0), 512), 0.5 ** np.arange(13))
    np.testing.assert_array_equal(points(np.array([6.999, 7.0, 50.0]), 512), [0.5**13, 0, 0])


@pytest.mark.parametrize(("models", "last"), [(3, 1), (64, 5), (128, 5), (150, 6), (1024, 7)])
def test_the_last_bin_depends_on_the_number_of_models(models, last):
    inside, outside = points(np.array([last - 0.01, last]), models)
    assert inside > 0
    assert outside == 0


def test_quality_is_the_mean():
    assert forgetting_quality(np.array([0.0, 0.6, 50.0, 50.0]), 512) == 1.5 / 4


@pytest.mark.parametrize(("epsilon", "models"), [(0.0, 2), (-1.0, 512), (np.nan, 512)])
def test_wrong_input_is_refused(epsilon, models):
    with pytest.raises(ValueError, match=r"must be at least 0|at least 3 models"):
        points(np.array([epsilon]), models)
