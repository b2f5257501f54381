"""The file of tuned values."""

import dataclasses
import json

import pytest

from evaluation.scoring import tuned
from evaluation.scoring.scorecard import COST_LIMIT
from starting_kit import contract, tasks
from starting_kit.errors import InputError

TASK = tasks.find("digits")


def entry(epochs):
    return tuned.Entry(task_version=TASK.version, values={"epochs": epochs})


@pytest.fixture
def mine(tmp_path):
    return tmp_path / "mine.py"


def test_entries_of_other_solutions_stay(mine, tmp_path):
    tuned.write(tmp_path / "other.py", TASK, entry(1))
    tuned.write(mine, TASK, entry(2))
    file = tuned.write(mine, TASK, entry(3))
    assert tuned.read(tmp_path / "other.py", TASK).values == {"epochs": 1}
    assert tuned.read(mine, TASK).values == {"epochs": 3}
    stored = json.loads(file.read_text())
    assert list(stored) == ["mine", "other"]
    assert stored["mine"] == {"task_version": TASK.version, "values": {"epochs": 3}}


def test_values_for_another_version_of_the_task_do_not_count(mine):
    tuned.write(mine, TASK, entry(3))
    assert tuned.read(mine, dataclasses.replace(TASK, version=TASK.version + 1)) is None
    assert tuned.read(mine.with_name("other.py"), TASK) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"mine": {"values": {}}}', '{"mine": 3}'])
def test_a_damaged_file_is_named(mine, content):
    file = tuned.path(mine, TASK.name)
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(InputError, match=r"tuned/digits\.json .*(restore or remove|remove the entry)"):
        tuned.read(mine, TASK)


def test_tuned_values_become_hyperparameters(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def unlearning(a, b, c, d, *, epochs=1, rates=((0.1,), (0.1, 0.2)), flag=False): pass")
    values = {"epochs": 5, "rates": [[1.0], [1.0, 2.0]], "flag": False}
    solution = contract.describe(path, ["flag=true"], values)
    assert solution.overrides == {"epochs": 5, "rates": ((1.0,), (1.0, 2.0)), "flag": True}
    assert solution.settings == {"flag": True}
    assert contract.describe(path, ["epochs=5"], values).settings == {}
    assert contract.describe(path, ["epochs=1"], values).overrides == {"rates": ((1.0,), (1.0, 2.0))}
    with pytest.raises(InputError, match=r"no hyper-parameter 'steps', which was tuned; tune it again"):
        contract.describe(path, [], {"steps": 3})


def holds(limits, value):
    """Whether a range holds a value; of factors that is not asked."""
    if limits.kind == "choice":
        return value in limits.choices
    return limits.kind == "factor" or limits.low <= value <= limits.high


def test_the_zoo_takes_its_tuned_values():
    """What is committed in solutions/tuned/ fits the solutions that are there."""
    for file in (contract.ZOO / "tuned").glob("*.json"):
        for name, entry in json.loads(file.read_text()).items():
            solution = contract.describe(contract.find(name), [], entry["values"])
            assert set(entry["values"]) == set(solution.search_space)
            assert all(holds(limits, solution.hyperparameters[key]) for key, limits in solution.search_space.items())
            assert entry["cost"] <= COST_LIMIT
