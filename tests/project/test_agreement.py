"""How the order of scores is compared with the competition's."""

import numpy as np
import pytest

from benchmarks import agreement
from benchmarks.agreement import (
    Scores,
    kendall,
    of_perfect_evaluator,
    pairs,
    report,
    residuals,
    share_right,
    smallest_gap,
    spearman,
    with_interval,
)
from evaluation.reports import reported

THEIRS = np.array([0.10, 0.09, 0.05, 0.049, 0.0])
TEAMS = np.array(["a", "b", "c", "c", "d"])


def scores(*ours, teams=TEAMS):
    return Scores(THEIRS, np.array(ours), teams)


def rho(of):
    return spearman(of.theirs, of.ours)


def test_pairs_are_right_wrong_or_half_right():
    gaps, right = pairs(scores(5.0, 4.0, 2.0, 3.0, 3.0))
    assert len(gaps) == 10
    assert sorted(right) == [0, 0, 0.5] + [1] * 7  # 0.05 and 0.049, 0.05 and 0 are turned round, 0.049 and 0 are equal
    assert share_right(scores(5.0, 4.0, 2.0, 3.0, 3.0), 0.0) == pytest.approx(0.75)
    assert share_right(scores(5.0, 4.0, 2.0, 3.0, 3.0), 0.055) == 1.0
    assert np.isnan(share_right(scores(5.0, 4.0, 2.0, 3.0, 3.0), 0.2))


def test_the_smallest_gap_is_one_beyond_which_order_can_be_relied_on():
    assert smallest_gap(scores(5.0, 4.0, 2.0, 3.0, 1.0), 1.0) == pytest.approx(0.01)  # 0.001 is turned round
    assert smallest_gap(scores(5.0, 4.0, 3.0, 2.0, 1.0), 1.0) == pytest.approx(0.001)
    assert smallest_gap(scores(1.0, 2.0, 3.0, 4.0, 5.0), 0.8) is None
    assert smallest_gap(scores(1.0, 4.0, 3.0, 2.0, 1.5), 0.8) is None  # the largest gap of all is turned round


def test_intervals_draw_teams_with_all_their_entries(monkeypatch):
    """Ten copies of one entry say no more than one, and neither do ten entries of a team that are as good as each other."""
    monkeypatch.setattr(agreement, "RESAMPLES", 200)
    few = scores(5.0, 4.0, 3.0, 2.0, 4.5)
    many = few.part(np.repeat(np.arange(5), 10))
    assert with_interval(rho, many)[1:] == pytest.approx(with_interval(rho, few)[1:], abs=1e-9)
    alone = Scores(many.theirs, many.ours, np.arange(50))
    widths = [high - low for _, low, high in (with_interval(rho, of) for of in (many, alone))]
    assert widths[1] < 0.5 * widths[0]
    assert np.isnan(with_interval(rho, few.part(np.array([0, 1])))[1])  # two teams


def test_a_perfect_evaluator_is_held_back_by_noise_alone():
    """Two entries a gap d apart are in the right order with probability Φ(d / (√2·noise))."""
    assert of_perfect_evaluator(np.array([0.0, 0.01]), kendall, 0.01) == pytest.approx(2 * 0.7602 - 1, abs=0.09)  # ±3 s.e.
    assert of_perfect_evaluator(THEIRS, spearman, 1e-9) == pytest.approx(1.0)


def test_a_perfect_evaluator_of_the_nine_is_where_it_was_found_to_be():
    nine = np.array([float(entry["score"]) for entry in reported.read(reported.KNOWN) if entry["nine"]])
    assert len(nine) == 9
    assert 0.88 < of_perfect_evaluator(nine, spearman, 0.0065) < of_perfect_evaluator(nine, spearman, 0.005) < 0.95
    assert 0.78 < of_perfect_evaluator(nine, kendall, 0.0065) < of_perfect_evaluator(nine, kendall, 0.005) < 0.87


def test_residuals_say_which_methods_are_lower_here():
    methods = ["x", "x", "y", "y", "z"]
    assert residuals(scores(4.0, 3.0, 5.0, 2.0, 1.0), methods) == {"x": (2, 1.0), "z": (1, 0.0), "y": (2, -1.0)}


def test_a_report_of_an_order_that_is_the_same(monkeypatch):
    monkeypatch.setattr(agreement, "RESAMPLES", 50)
    text = "\n".join(report(scores(5.0, 4.0, 3.0, 2.0, 1.0), np.array([True] * 3 + [False] * 2), ["m"] * 5))
    assert "Spearman's ρ, all (5): 1.00, 95 % interval 1.00 to 1.00" in text
    assert "Kendall's τ, the nine (3): 1.00" in text
    assert "| 0.012 | 8 | 100% | 100% to 100% |" in text
    assert "95% of pairs are in the right order from a gap of 0.0010 on." in text


def test_what_calibrates_a_task_is_held_apart_from_what_judges_it():
    """The protocol of docs/tasks.md: fine-tuning of 1, 3 and 4 epochs and plain ascent; no winner and no variant of one."""
    entries = reported.read(reported.KNOWN)
    calibrating = [(entry["solution"], entry["settings"]) for entry in entries if entry["role"] == "calibrates"]
    assert {solution for solution, _ in calibrating} == {"finetune", "gradient_ascent"}
    assert sorted(
        settings.count("epochs=3") + 2 * settings.count("epochs=4") for name, settings in calibrating if name == "finetune"
    ) == [0, 1, 2]
    assert {entry["role"] for entry in entries} == {"calibrates", "held out"}
    assert all(entry["team"] for entry in entries)
