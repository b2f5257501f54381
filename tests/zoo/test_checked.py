"""The zoo keeps to the contract, by the checker that strangers' solutions meet."""

import pytest

from evaluation.checking import CONTRACT, check
from evaluation.scoring import ScoringConfig
from starting_kit import contract
from test_all import FAMILY, ON_DIGITS

# What is meant to be so: the original model is the baseline that does nothing.
LACKS = {"original": ["moves the weights", "other seeds, other weights"]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.mark.slow
@pytest.mark.parametrize("name", contract.zoo())
def test_a_solution_of_the_zoo_keeps_to_the_contract(runs, name):
    of_classes = {"forget": "class:3", "data_free": True} if FAMILY[name] == "zero-shot" else {}
    steps: dict = ON_DIGITS.get(name, {})
    settings = [f"{key}={value}" for key, value in steps.items()]
    common = {"runs": runs, "workers": 1, "hyperparameters": "published", "epochs": 2, **of_classes}
    config = ScoringConfig(solution=name, set=tuple(settings), **common)
    report = check(config, time_limit=600.0, properties=CONTRACT)
    assert report.named("failure") == LACKS.get(name, []), report
    assert report.named("unchecked") == [], report
