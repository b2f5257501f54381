"""Which values come next: none that were tried before."""

import json

import optuna
import pytest

from evaluation.tuning import study as studies
from starting_kit import search_space

DEFAULTS = {"epochs": 1, "rewind": False, "rate": 0.1, "rates": (0.1, 0.2)}


def ranges_of(**space):
    return search_space.parse(space, DEFAULTS, "mine.py")


def tried(study, ranges, wanted, now=None):
    """The values of so many trials, or of as many as are run now; the last ones are missing where there are none left."""
    values = []
    for _ in range(now or wanted):
        trial = studies.next_trial(study, ranges, wanted)
        if trial is None:
            break
        values.append(studies.values_of(trial, ranges))
        study.tell(trial, -float(len(studies.finished(study))))
    return values


def test_every_value_of_a_small_space_is_tried_once_and_then_there_are_none():
    ranges, study = ranges_of(epochs=(1, 3), rewind=[False, True]), optuna.create_study(direction="maximize")
    values = tried(study, ranges, 20)
    assert studies.size(ranges) == 6
    assert len(values) == 6
    assert len({json.dumps(each) for each in values}) == 6
    assert studies.next_trial(study, ranges, 20) is None
    assert studies.repeated(study) > 0  # the last ones of six are not met at once
    assert len(studies.finished(study)) == 6


def test_numbers_that_are_rounded_to_the_same_are_the_same():
    ranges, study = ranges_of(rate=(0.1, 0.104)), optuna.create_study(direction="maximize")
    study.enqueue_trial({"rate": 0.1021})
    study.enqueue_trial({"rate": 0.1018})
    values = tried(study, ranges, 2)
    assert values[0] == {"rate": 0.102}
    assert values[1] != {"rate": 0.102}
    assert studies.repeated(study) >= 1


def test_what_goes_on_proposes_what_would_have_come_at_once():
    ranges = ranges_of(epochs=(1, 4), rate=(0.01, 1.0, "log"))
    at_once, study = (optuna.create_study(direction="maximize") for _ in range(2))
    values = tried(study, ranges, 6, now=2)
    interrupted = studies.next_trial(study, ranges, 6)
    studies.propose(interrupted, ranges)
    study.tell(interrupted, state=optuna.trial.TrialState.FAIL)  # as `open_study` does
    study.enqueue_trial(interrupted.params)
    assert [*values, *tried(study, ranges, 6, now=2)] == tried(at_once, ranges, 6)[:4]


@pytest.mark.parametrize(
    ("earlier", "proposed"),
    [
        (
            {"epochs": 3, "rate": 0.5, "rewind": True, "rates": [0.5, 1.0]},
            {"epochs": 3, "rate": 0.5, "rewind": True, "rates": 5.0},
        ),
        ({"epochs": 30, "rate": 0.0001, "rates": (0.001, 0.002)}, {"epochs": 12, "rate": 0.01, "rates": 0.1}),
        ({"rewind": "sometimes", "rates": [], "rate": None, "steps": 7}, {}),
    ],
)
def test_values_that_were_tuned_before_are_tried_as_near_as_the_space_has_them(earlier, proposed):
    ranges = ranges_of(epochs=(1, 12), rate=(0.01, 1.0, "log"), rewind=[False, True], rates=(0.1, 100, "times"))
    assert studies.as_proposed(earlier, ranges) == proposed


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({"rate": (0.01, 1.0)}, float("inf")),
        ({"rates": (0.1, 10, "times"), "epochs": (1, 2)}, float("inf")),
        ({"epochs": (1, 12), "rewind": [False, True]}, 24),
    ],
)
def test_size(space, expected):
    assert studies.size(ranges_of(**space)) == expected


@pytest.mark.parametrize(
    ("proposed", "expected"),
    [
        ({"rate": 0.99, "epochs": 5, "rewind": False}, ["rate"]),
        ({"rate": 0.0101, "epochs": 12, "rewind": False}, ["rate", "epochs"]),
        ({"rate": 0.05, "epochs": 1, "rewind": True}, []),
        ({"rate": 0.2, "epochs": 2, "rewind": True}, []),
    ],
)
def test_numbers_at_an_end_of_their_range(proposed, expected):
    ranges = ranges_of(rate=(0.01, 1.0, "log"), epochs=(1, 12), rewind=[False, True])
    study = optuna.create_study()
    study.enqueue_trial(proposed)
    trial = study.ask()
    studies.propose(trial, ranges)
    study.tell(trial, 0.0)
    assert studies.at_ends(study.trials[0], ranges) == expected
