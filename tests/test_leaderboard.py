import csv
import json

import pytest

from conftest import run_script
from evaluation import leaderboard


@pytest.fixture
def results(sixteen, tmp_path):
    """A folder of scorecards that differ from a real one as given."""

    def write(**cards):
        for name, changes in cards.items():
            path = tmp_path / "results" / changes.get("task", "digits") / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({**sixteen.card, **changes}))
        return tmp_path / "results"

    return write


def ranks(tables):
    return [[(row["rank"], row["entry"]) for row in table] for table in tables]


def test_best_first_and_those_above_the_cost_limit_unranked(results):
    folder = results(
        low={"score": 0.01},
        high={"score": 0.09},
        expensive={"score": 0.5, "cost": 0.3, "within_limit": False},
        middle={"score": 0.05},
    )
    tables = leaderboard.rank(leaderboard.read_all(folder, None))
    assert ranks(tables) == [[(1, "high"), (2, "middle"), (3, "low"), (None, "expensive")]]


@pytest.mark.parametrize(
    "other", [{"task_version": 99}, {"metric_version": 99}, {"models": 64}, {"seed": 1}, {"task": "z"}, {"forget": "class:1"}]
)
def test_what_cannot_be_compared_is_not_ranked_together(results, other):
    tables = leaderboard.rank(leaderboard.read_all(results(a={"score": 0.01}, b={"score": 0.02, **other}), None))
    assert sorted(ranks(tables)) == [[(1, "a")], [(1, "b")]]


def test_the_command_prints_and_writes_the_table(results, tmp_path):
    folder = results(one={"score": 0.0123, "ceiling": 0.2}, dear={"within_limit": False, "cost": 0.5}, elsewhere={"task": "z"})
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- leaderboard -->\nold\n<!-- /leaderboard -->\nafter\n")
    files = ("--csv", tmp_path / "board.csv", "--markdown", readme)
    run = run_script("leaderboard.py", "--results", folder, "--task", "digits", *files)
    assert run.returncode == 0, run.stderr
    assert "0.0123" in run.stdout
    assert "unranked: cost above 20 %" in run.stdout
    rows = list(csv.DictReader((tmp_path / "board.csv").open()))
    assert [(row["rank"], row["entry"]) for row in rows] == [("1", "one"), ("", "dear")]
    assert float(rows[0]["score"]) == 0.0123
    text = readme.read_text()
    assert text.startswith("before\n<!-- leaderboard -->\n**digits v2, forget random:0.2")
    assert text.endswith("<!-- /leaderboard -->\nafter\n")
    assert "| 1 | one | 0.0123 | 6.2% |" in text
    assert "| *-* | *dear* |" in text
    assert "old" not in text


def test_a_file_without_markers_is_the_tables(results, tmp_path):
    run = run_script("leaderboard.py", "--results", results(one={}), "--markdown", tmp_path / "board.md")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "board.md").read_text().startswith("**digits v2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no scorecard in"),
        ("{", "is not a scorecard (JSONDecodeError"),
        ("{}", "is not a scorecard (KeyError"),
        ('{"schema_version": 99}', "has schema version 99, this program knows 1"),
    ],
)
def test_what_is_no_scorecard_ends_in_a_sentence(tmp_path, content, message):
    if content is not None:
        (tmp_path / "digits").mkdir()
        (tmp_path / "digits" / "bad.json").write_text(content)
    run = run_script("leaderboard.py", "--results", tmp_path)
    assert message in run.stderr.replace("\n", " ")
    assert run.stderr.startswith("error: ")
    assert run.returncode == 2
