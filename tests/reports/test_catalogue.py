import json

import pytest

from conftest import PROJECT
from evaluation.reports import zoo_page
from evaluation.scoring import codec
from starting_kit.errors import InputError

SOLUTION = '''"""One line | the steps.

1. The first,
   continued.
2. The second.
"""

METADATA = {
    "family": "winner",
    "source": "a paper, https://example.org/a:b",
    "reported": "0.1 (board), at "
    "a price",
    "values": "published; ours: epochs",
    "needs": "nothing",
}

import not_installed_here


def unlearning(net, retain_loader, forget_loader, val_loader, *, epochs=1, learning_rate=0.1):
    pass
'''


@pytest.fixture
def zoo(tmp_path):
    """A zoo of one solution."""

    def write(text):
        (tmp_path / "zoo").mkdir(exist_ok=True)
        (tmp_path / "zoo" / "mine.py").write_text(text)
        return tmp_path / "zoo"

    return write


def test_a_solution_is_described_without_being_imported(zoo):
    described = zoo_page.describe(zoo(SOLUTION) / "mine.py")
    assert described == zoo_page.Description(
        summary="One line | the steps",
        family="winner",
        source="a paper, https://example.org/a:b",
        reported="0.1 (board), at a price",
        values="published; ours: epochs",
        needs="nothing",
        steps=(1, 2),
        certificate="",
    )


def test_a_certificate_is_shown_beside_the_steps(zoo, tmp_path):
    certified = zoo(SOLUTION.replace('"needs"', '"certificate": "epsilon = 1", "needs"'))
    assert zoo_page.describe(certified / "mine.py").certificate == "epsilon = 1"
    assert "One line \\| the steps. Certificate: epsilon = 1 | a paper" in zoo_page.page(
        certified, tmp_path / "results", "digits"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"needs": "nothing",', "", r"METADATA of .*mine\.py lacks needs; see"),
        ('"needs"', '"needed"', r"METADATA of .*mine\.py lacks needs; see"),
        ("}", '"score": "1"}', r"METADATA of .*mine\.py has an unknown key 'score'; the keys are family, source,"),
        (
            '"winner"',
            '"winners"',
            r"METADATA of .*mine\.py has an unknown family 'winners'; the families are baseline, winner,",
        ),
        (
            '"published;',
            '"invented;',
            r"METADATA of .*mine\.py has an unknown origin of values 'invented'; there are published, carried",
        ),
        ("ours: epochs", "our: epochs", r"METADATA of .*mine\.py has an unknown origin of values 'our';"),
        ("ours: epochs", "ours: steps", r"METADATA of .*mine\.py has an origin of 'steps', which is no hyper-parameter"),
        (
            "METADATA",
            "OTHER",
            r"mine\.py has no METADATA, a dict of literal strings \(family, source, reported, values, needs\); see",
        ),
        ('"nothing"', "NOTHING", r"mine\.py has no METADATA"),
        ('"nothing"', "0", r"mine\.py has no METADATA"),
        ('"needs"', "[]", r"mine\.py has no METADATA"),
    ],
)
def test_wrong_metadata_are_refused(zoo, old, new, message):
    assert old in SOLUTION
    with pytest.raises(InputError, match=message):
        zoo_page.describe(zoo(SOLUTION.replace(old, new)) / "mine.py")


def test_the_page_has_a_row_with_the_measured_score_or_without(zoo, tmp_path):
    page = zoo_page.page(zoo(SOLUTION), tmp_path / "results", "digits")
    said = "One line \\| the steps | a paper, https://example.org/a:b | 0.1 (board), at a price | published; ours: epochs"
    assert f"| [mine](mine.py) | {said} | - | - | - | - | - |" in page
    card = json.loads((PROJECT / "results" / "digits" / "original.json").read_text())
    (tmp_path / "results" / "digits").mkdir(parents=True)
    changed = {**card, "score": 0.0123, "score_interval": [0.01, 0.02], "cost": 0.05, "ceiling": 0.2}
    (tmp_path / "results" / "digits" / "mine.json").write_text(json.dumps(changed))
    page = zoo_page.page(zoo(SOLUTION), tmp_path / "results", "digits")
    assert "| 0.0123 (0.010–0.020) | - | - | 5.0% | none | nothing |" in page
    assert "its ceiling there is 0.200" in page
    fitted = {**changed, "score": 0.05, "cost": 0.1, "hyperparameters": {"source": "tuned", "values": {}}}
    (tmp_path / "results" / "digits" / "mine--published.json").write_text(json.dumps(changed))
    (tmp_path / "results" / "digits" / "mine.json").write_text(json.dumps(fitted))
    page = zoo_page.page(zoo(SOLUTION), tmp_path / "results", "digits")
    assert "| 0.0123 (0.010–0.020) | - | 0.0500 (0.010–0.020) | 10.0% | none | nothing |" in page
    carried = {**changed, "score": 0.03, "hyperparameters": {"source": "transferred", "values": {}}}
    (tmp_path / "results" / "digits" / "mine--transferred.json").write_text(json.dumps(carried))
    assert "| 0.0123 (0.010–0.020) | 0.0300 (0.010–0.020) | 0.0500 (0.010–0.020) |" in zoo_page.page(
        zoo(SOLUTION), tmp_path / "results", "digits"
    )
    (tmp_path / "results" / "digits" / "mine--transferred.json").unlink()
    (tmp_path / "results" / "digits" / "mine--tuned.json").write_text(json.dumps(fitted))
    (tmp_path / "results" / "digits" / "mine.json").write_text(json.dumps(changed))  # scored before it was tuned
    (tmp_path / "results" / "digits" / "mine--published.json").unlink()
    page = zoo_page.page(zoo(SOLUTION), tmp_path / "results", "digits")
    assert "| 0.0123 (0.010–0.020) | - | 0.0500 (0.010–0.020) | 10.0% | none | nothing |" in page


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cost": 0.3, "within_limit": False}, "above the limit: 30.0%"),
        ({"cost": 0.21, "within_limit": None, "within_limit_reason": "undecided"}, "none"),
        ({"spread": 0.4}, "too narrow: 0.4 of the spread"),
        ({"spread": 2.5}, "too wide: 2.5 of the spread"),
        ({"spread": None}, "none"),
        ({"outlying_runs": {"unlearned": 6, "retrained": 0}}, "6 of 512 runs far off"),
        ({"outlying_runs": {"unlearned": 5, "retrained": 0}}, "none"),
        ({"cost": 1.5, "within_limit": False, "spread": 0.1}, "above the limit: 150.0%; too narrow: 0.1 of the spread"),
    ],
)
def test_weak_points_are_those_of_the_scorecard(changes, expected, tmp_path):
    card = json.loads((PROJECT / "results" / "digits" / "original.json").read_text())
    distances = card["attacks"]["distances"]
    spread, changes = changes.get("spread", 1.0), {key: value for key, value in changes.items() if key != "spread"}
    attacks = {"distances": {**distances, "unlearned": {**distances["unlearned"], "spread_median": spread}}}
    (tmp_path / "mine.json").write_text(json.dumps({**card, "attacks": attacks, **changes}))
    assert zoo_page.weak_points(codec.read(tmp_path / "mine.json")) == expected
