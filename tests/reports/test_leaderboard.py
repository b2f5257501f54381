import csv
import json
from itertools import pairwise

import numpy as np
import pytest

import evaluation
from conftest import PROJECT, run_script
from evaluation.metric import differences
from evaluation.reports import ranking
from evaluation.reports.tables import as_csv, as_markdown
from evaluation.scoring import codec
from evaluation.scoring.scorecard import ELSEWHERE
from starting_kit.errors import InputError


def ranks(tables):
    return [[(row.rank, row.card.entry) for row in table] for table in tables]


def test_best_first_and_those_above_the_cost_limit_unranked(results):
    folder = results(
        low={"score": 0.01},
        high={"score": 0.09},
        expensive={"score": 0.5, "cost": 0.3, "within_limit": False},
        middle={"score": 0.05},
    )
    tables = ranking.rank(ranking.read_all(folder, None))
    assert ranks(tables) == [[(1, "high"), (2, "middle"), (3, "low"), (None, "expensive")]]


def test_an_entry_whose_cost_is_undecided_is_ranked_with_a_mark(results):
    near = {"score": 0.09, "cost": 0.201, "within_limit": None, "within_limit_reason": "undecided"}
    unknown = {"score": 0.03, "cost": None, "within_limit": None, "within_limit_reason": ELSEWHERE}
    dear = {"score": 0.5, "cost": 0.3, "within_limit": False, "operations": 0.4}
    tables = ranking.rank(ranking.read_all(results(near=near, clear={"score": 0.05}, unknown=unknown, dear=dear), None))
    assert ranks(tables) == [[(1, "near"), (2, "clear"), (3, "unknown"), (None, "dear")]]
    text = as_markdown(tables)
    assert [line.split("|")[9].strip() for line in text.splitlines() if "20.1%" in line] == ["20.1%?"]
    assert text.count("?") == 2
    assert "? above or below 20 % of a retraining: the interval of the cost contains it." in text
    assert "above or below" not in as_markdown([tables[0][1:]])
    rows = list(csv.DictReader(as_csv(tables).splitlines()))
    assert [row["within_limit"] for row in rows] == ["", "True", "", "False"]
    assert rows[3]["operations"] == "0.4"


@pytest.mark.parametrize(
    "other",
    [
        {"task_version": 99},
        {"metric_version": 99},
        {"models": 64},
        {"seed": 1},
        {"task": "z"},
        {"forget": "class:1"},
        {"trainer": "sisa"},
    ],
)
def test_what_cannot_be_compared_is_not_ranked_together(results, other):
    tables = ranking.rank(ranking.read_all(results(a={"score": 0.01}, b={"score": 0.02, **other}), None))
    assert sorted(ranks(tables)) == [[(1, "a")], [(1, "b")]]


def test_the_command_prints_and_writes_the_table(results, tmp_path):
    folder = results(one={"score": 0.0123, "ceiling": 0.2}, dear={"within_limit": False, "cost": 0.5}, elsewhere={"task": "z"})
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- leaderboard -->\nold\n<!-- /leaderboard -->\nafter\n")
    files = ("--csv", tmp_path / "board.csv", "--markdown", readme)
    run = run_script("leaderboard.py", "--results", folder, "--task", "digits", *files)
    assert run.returncode == 0, run.stderr
    assert "0.0123" in run.stdout
    assert "Unranked: cost above 20 %" in run.stdout
    rows = list(csv.DictReader((tmp_path / "board.csv").open()))
    assert [(row["rank"], row["entry"]) for row in rows] == [("1", "one"), ("", "dear")]
    assert float(rows[0]["score"]) == 0.0123
    text = readme.read_text()
    assert text.startswith("before\n<!-- leaderboard -->\n**digits v2, forget random:0.2")
    assert text.endswith("<!-- /leaderboard -->\nafter\n")
    assert "| 1 | - | one | published | 0.0123 | - |" in text
    assert "| *-* | *-* | *dear* |" in text
    assert "old" not in text


def test_of_a_long_table_the_ends_can_be_shown(results):
    slow = {"score": 0.5, "within_limit": False}
    folder = results(**{f"solution{i}": {"score": i / 100, "score_deviations": None} for i in range(7)}, slow=slow)
    tables = ranking.rank(ranking.read_all(folder, None))

    def entries(ends):
        lines = as_markdown(tables, ends).splitlines()
        return [line.split("|")[3].strip() for line in lines if line[:2] == "| "][1:]

    assert entries(2) == ["solution6", "solution5", "*3 more, 1 unranked*", "solution1", "solution0"]
    assert entries(4) == entries(None) == [*(f"solution{i}" for i in range(6, -1, -1)), "*slow*"]


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
        ('{"schema_version": 99}', f"has schema version 99, this program knows {codec.SCHEMA_VERSION}"),
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


def deviations(seed):
    return (np.random.default_rng(seed).normal(size=(21, 3)) / 10).tolist()


def test_ranks_are_those_that_an_entry_may_have(results):
    shared = {"score_interval": [0.01, 0.1]}
    cards = {
        "best": {"score": 0.090, "score_deviations": deviations(0)},
        "alike": {"score": 0.089, "score_deviations": deviations(1)},
        "far": {"score": 0.020, "score_deviations": deviations(2)},
        "dear": {"score": 0.095, "score_deviations": deviations(3), "within_limit": False},
        "without": {"score": 0.001, "score_deviations": None, "score_deviations_reason": "--no-intervals"},
    }
    (table,) = ranking.rank(ranking.read_all(results(**{n: {**shared, **card} for n, card in cards.items()}), None))
    assert [(row.card.entry, row.ranks.value) for row in table] == [
        ("best", (1, 3)),  # it may be that "without" is the best
        ("alike", (1, 3)),
        ("far", (3, 4)),
        ("without", None),
        ("dear", None),
    ]
    text = as_markdown([table])
    assert "| 3 | 3–4 | far | published | 0.0200 |" in text
    assert "| 4 | - | without | published | 0.0010 |" in text
    assert "Ranks: the best and the worst that an entry may have." in text
    assert "No ranks: --no-intervals." in text


def test_the_smallest_difference_that_can_be_told(results):
    """2.8 standard errors of the difference of the first two, and the median share of the score."""
    scores = {"one": 0.09, "two": 0.08, "three": 0.001}
    cards = {name: {"score": score, "score_deviations": deviations(i)} for i, (name, score) in enumerate(scores.items())}
    (table,) = ranking.rank(ranking.read_all(results(**cards), None))
    smallest, shares = [], []
    for (one, first), (other, second) in pairwise(enumerate(scores.values())):
        (low, high), _ = differences.difference(first, np.array(deviations(one)), second, np.array(deviations(other)))
        smallest.append(2.8016 * (high - low) / (2 * 1.95996))
        shares.append(smallest[-1] / ((first + second) / 2))
    expected = (
        f"{smallest[0]:.4f} between the first two, {100 * np.median(shares):.0f} % of the score in the median of neighbours"
    )
    assert f"Smallest difference that 16 models can tell: {expected}" in as_markdown([table])


def with_instructions(sixteen, **changes):
    environment = {name: value for name, value in sixteen.card["environment"].items() if name != "instruction_set"}
    return {"environment": {**environment, **changes}}


@pytest.mark.parametrize(
    ("machines", "counts"),
    [
        ([{"instruction_set": "AVX2"}, {"instruction_set": "AVX512"}], "AVX2: 1, AVX512: 1"),
        ([{"instruction_set": "AVX2"}, {"instruction_set": "AVX2", "device": "NVIDIA T4"}], "AVX2: 1, NVIDIA T4: 1"),
        ([{"instruction_set": "AVX2"}, {}, {}], "AVX2: 1, not recorded: 2"),
        ([{}, {}], "not recorded: 2"),
        ([{"instruction_set": "AVX2"}, {"instruction_set": "AVX2"}], None),
        ([{}], None),
    ],
)
def test_other_kinds_of_machines_are_warned_of(results, sixteen, machines, counts):
    folder = results(**{f"entry{i}": with_instructions(sixteen, **machine) for i, machine in enumerate(machines)})
    text = as_markdown(ranking.rank(ranking.read_all(folder, None)))
    if counts is None:
        assert "kind of machine" not in text
    else:
        assert f"Not all entries are known to come from one kind of machine ({counts}): the same command gives other" in text


def test_tuned_and_published_values_are_told_apart(results):
    fitted = {"score": 0.05, "hyperparameters": {"source": "tuned", "values": {}}}
    tables = ranking.rank(ranking.read_all(results(**{"one": fitted, "one--published": {"score": 0.01}}), None))
    assert ranks(tables) == [[(1, "one"), (2, "one--published")]]
    text = as_markdown(tables)
    assert "| 1 | - | one | tuned | 0.0500 |" in text
    assert "| 2 | - | one | published | 0.0100 |" in text
    assert [row["values"] for row in csv.DictReader(as_csv(tables).splitlines())] == ["tuned", "published"]


def test_a_dagger_marks_scores_of_models_that_are_the_same(results):
    cards = {"seeded": {"score": 0.01, "different_models": 1}, "usual": {"score": 0.02}}
    folder = results(**cards, trained={"score": 0.03, "different_retrained_models": 15})
    (table,) = tables = ranking.rank(ranking.read_all(folder, None))
    text = as_markdown(tables)
    assert "| 1 | - | trained | published | 0.0300† |" in text
    assert "| 2 | - | usual | published | 0.0200 |" in text
    assert "| 3 | - | seeded | published | 0.0100† |" in text
    assert "† some of its models are one and the same." in text
    assert "one and the same" not in as_markdown([[row for row in table if row.card.entry == "usual"]])
    assert [row["different_models"] for row in csv.DictReader(as_csv(tables).splitlines())] == ["", "", "1"]


def test_a_double_dagger_marks_scores_with_failed_runs(results):
    failed = {"models": [3], "reasons": ["it hung"]}
    tables = ranking.rank(ranking.read_all(results(hung={"score": 0.01, "failed_runs": failed}, usual={"score": 0.02}), None))
    text = as_markdown(tables)
    assert "| 2 | - | hung | published | 0.0100‡ |" in text
    assert "| 1 | - | usual | published | 0.0200 |" in text
    assert "‡ some of its runs failed." in text
    assert [row["failed_runs"] for row in csv.DictReader(as_csv(tables).splitlines())] == ["0", "1"]


def test_the_csv_has_the_numbers_as_the_scorecards_have_them(results):
    changes = {"score": 1 / 3, "originals_score": None, "score_interval": [0.1, 1 / 7], "within_limit": False, "cost": 0.25}
    tables = ranking.rank(ranking.read_all(results(one=changes, two={"score": 1e-9}), None))
    one, two = list(csv.DictReader(as_csv(tables).splitlines()))[::-1]
    assert (one["score"], one["originals_score"], one["score_low"], one["score_high"]) == (repr(1 / 3), "", "0.1", repr(1 / 7))
    assert (one["rank"], one["rank_low"], one["rank_high"], one["models"], one["cost"]) == ("", "", "", "16", "0.25")
    assert (two["score"], two["rank"], two["score_low"], two["epochs"]) == ("1e-09", "1", "", "20")


def test_other_retrained_models_are_no_pair(results):
    one = {"score": 0.09, "score_deviations": deviations(0)}
    other = {"score": 0.02, "score_deviations": deviations(1), "retrained_population": "other"}
    (table,) = ranking.rank(ranking.read_all(results(one=one, other=other), None))
    assert not any(row.ranks.value for row in table)
    assert "No ranks: compared with other retrained models than the rest." in as_markdown([table])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ends", 0, "--markdown", "board.md"), "--ends 0 is too few; at least 1 is needed."),
        (("--ends", -1, "--markdown", "board.md"), "--ends -1 is too few; at least 1 is needed."),
        (("--ends", 3), "--ends is for --markdown"),
    ],
)
def test_ends_that_are_none_are_refused(results, tmp_path, arguments, message):
    run = run_script("leaderboard.py", "--results", results(one={}), *arguments, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"error: {message}")
    assert not (tmp_path / "board.md").exists()


def test_scores_of_different_designs_are_not_ranked_together(results):
    folder = results(averaged={}, one={"originals": 1, "design": "one original"}, before_there_were_designs={"originals": 1})
    path = folder / "digits" / "before_there_were_designs.json"
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "design"}))
    tables = ranking.rank(ranking.read_all(folder, None))
    assert sorted(sorted(row.card.entry for row in table) for table in tables) == [
        ["averaged"],
        ["before_there_were_designs", "one"],
    ]
    titles = sorted(line for line in as_markdown(tables).splitlines() if line.startswith("**digits"))
    assert "16 models from 4 originals, averaged, metric" in titles[0]
    assert "16 models from one original, metric" in titles[1]


def test_a_folder_is_a_table_of_pandas():
    frame = evaluation.scorecards(PROJECT / "results", "digits")
    paths = list((PROJECT / "results" / "digits").glob("*.json"))
    assert set(frame["entry"]) == {path.stem for path in paths}
    first = frame.iloc[0]
    assert (first["rank"], first["rank_low"]) == (1, 1)
    assert first["score"] == json.loads((PROJECT / "results" / "digits" / f"{first['entry']}.json").read_text())["score"]
    ranked = frame[frame["rank"].notna()]
    assert ranked["score"].is_monotonic_decreasing
    assert frame["rank"].notna().is_monotonic_decreasing  # unranked entries come last
    with pytest.raises(InputError, match="no scorecard"):
        evaluation.scorecards(PROJECT / "docs")
