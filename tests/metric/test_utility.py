import pytest

from evaluation.metric.utility import accuracy_ratio, score


def test_ratio_of_means_is_not_clipped():
    assert accuracy_ratio([0.9, 1.0], [0.5, 0.75]) == pytest.approx(0.95 / 0.625)


def test_score_is_the_product():
    assert score(0.2, 0.9, 1.1) == pytest.approx(0.198)


@pytest.mark.parametrize(("unlearned", "retrained"), [([0.5], [0.0]), ([1.5], [1.0]), ([float("nan")], [1.0])])
def test_wrong_input_is_refused(unlearned, retrained):
    with pytest.raises(ValueError, match="accurac"):
        accuracy_ratio(unlearned, retrained)
