from pathlib import Path

import pytest

from evaluation.reports import zoo_page
from starting_kit import contract, search_space
from starting_kit.errors import InputError

MINE = Path("mine.py")
DEFAULTS = {"epochs": 3, "rate": 0.1, "rates": (0.1, (0.01, 0.001)), "rewind": False, "name": "a"}


def test_each_form_is_understood():
    space = {
        "epochs": (1, 12),
        "rate": (1e-3, 1.0, "log"),
        "rates": (0.1, 100, "times"),
        "rewind": [False, True],
        "name": ["a", "b"],
    }
    ranges = search_space.parse(space, DEFAULTS, MINE)
    assert {name: limits.kind for name, limits in ranges.items()} == {
        "epochs": "whole",
        "rate": "number",
        "rates": "factor",
        "rewind": "choice",
        "name": "choice",
    }
    assert [limits.start for limits in ranges.values()] == [3, 0.1, 1.0, False, "a"]
    assert [limits.log for limits in ranges.values()] == [False, True, True, False, False]
    assert ranges["rates"].value(1.0) == DEFAULTS["rates"]
    assert ranges["rates"].value(2.5) == (0.25, (0.025, 0.0025))


def test_proposals_are_rounded_but_the_default_is_what_it_is():
    (limits,) = search_space.parse({"rate": (0.001, 1.0)}, {"rate": 0.01 / 3}, MINE).values()
    assert limits.value(0.123456) == 0.123
    assert limits.value(0.01 / 3) == 0.01 / 3


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ([("epochs", (1, 2))], "must be a dict"),
        ({"epoch": (1, 12)}, r"names 'epoch', which is no hyper-parameter of unlearning. Did you mean epochs\?"),
        ({"epochs": 3}, r"SEARCH_SPACE\['epochs'\] = 3 must be \(low, high\)"),
        ({"epochs": (1,)}, r"must be \(low, high\)"),
        ({"rate": (0.01, 1.0, "logarithmic")}, r"must be \(low, high\)"),
        ({"epochs": (12, 1)}, "the lower one first"),
        ({"rate": ("0.1", "1")}, "must begin with two numbers"),
        ({"rate": (0.0, float("inf"))}, "must begin with two numbers"),
        ({"rate": (0.0, 1.0, "log")}, "must have ends above 0"),
        ({"epochs": (4, 12)}, "must hold the default, 3"),
        ({"epochs": (1.0, 12.0)}, "must have whole ends"),
        ({"rates": (0.1, 100)}, "must hold the default"),
        ({"rates": (2, 100, "times")}, "must hold 1"),
        ({"name": ["b", "c"]}, "must hold the default, 'a'"),
    ],
)
def test_what_does_not_fit_is_refused(space, message):
    with pytest.raises(InputError, match=message):
        search_space.parse(space, DEFAULTS, MINE)


def test_every_solution_with_hyperparameters_can_be_tuned():
    """But for those that forget whole classes only, which tasks do not ask for, and those that bring their own trainer.

    `oracle_matching` trains a network anew, and is above the cost limit whatever its values.
    """
    names = [name for name in contract.zoo() if zoo_page.describe(contract.find(name)).family != "zero-shot"]
    solutions = [contract.describe(contract.find(name), []) for name in names]
    without = [s.name for s in solutions if s.hyperparameters and not s.search_space and not s.trains]
    assert without == ["oracle_matching"]
