"""The ranking of solutions on a task against the competition's."""

import runpy

import pytest

from conftest import PROJECT
from starting_kit import contract
from test_benchmarks import tables

RANKING = runpy.run_path(str(PROJECT / "benchmarks" / "ranking.py"))


@pytest.mark.parametrize(
    ("solution", "settings", "tuned", "expected"),
    [
        (
            "finetune",
            ["epochs=4", "learning_rate=0.1"],
            {"epochs": 2, "learning_rate": 0.5},
            ["epochs=5", "learning_rate=3.0"],
        ),
        ("finetune", ["batch_size=32"], {"learning_rate": 0.5}, ["batch_size=32"]),
        (
            "scl",
            ["cycles=10", "retain_batch_size=512"],
            {"cycles": 3, "retain_batch_size": 32},
            ["cycles=5", "retain_batch_size=64"],
        ),
        ("toshi_mixture", ["transposed_share=0"], {"transposed_share": 0.3}, ["transposed_share=0.0"]),
        ("toshi_mixture", ["transposed_share=0.75"], {"transposed_share": 0.25}, ["transposed_share=0.5"]),
        (
            "forget_cycles",
            ["learning_rates=((1e-3,),(1e-3,5e-4))"],
            {"learning_rates": ((0.1,), (0.1, 0.05), (0.1, 0.05))},
            ["learning_rates=((0.1,), (0.1, 0.05))"],
        ),
        (
            "gradient_ascent",
            ["rounds=5F", "project=false", "learning_rates=(0.002,)"],
            {"learning_rates": (1e-4, 1e-4, 5e-5)},
            ["rounds=5F", "project=False", "learning_rates=(0.0001,)"],
        ),
    ],
)
def test_settings_change_tuned_values_as_they_change_the_published_ones(solution, settings, tuned, expected):
    path = contract.find(solution)
    described = [contract.describe(path, given, values) for given, values in (([], None), (settings, None), ([], tuned))]
    moved = RANKING["transfer"](*described)
    assert moved == expected
    contract.describe(path, moved, tuned)  # raises what is wrong


@pytest.mark.slow
def test_three_entries_are_ranked(tmp_path):
    scores = tmp_path / "scores.csv"
    known = ["of little,finetune,epochs=2,0.01", "of nothing,original,,0.001", "of much,neggrad_plus,learning_rate=0.1,0.02"]
    scores.write_text("\n".join(["entry,solution,settings,score", *known]))
    rows = tables("ranking.py", "--scores", scores, "--models", 8, "--runs", tmp_path / "runs")[2:5]  # then the report
    assert [row[:2] for row in rows] == [["1", "of much"], ["2", "of little"], ["3", "of nothing"]]
    assert [float(row[4]) for row in rows] == [0.02, 0.01, 0.001]
    assert {int(row[6]) for row in rows} <= {1, 2, 3}
