"""Entries compared with each other by `leaderboard.py --compare`."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from conftest import run_script
from evaluation.metric import differences
from evaluation.reports import ties


def deviations(seed):
    return (np.random.default_rng(seed).normal(size=(21, 3)) / 10).tolist()


def test_two_entries_are_compared(results):
    cards = {
        name: {"score": score, "score_deviations": deviations(seed), "score_interval": [score * 0.8, score * 1.2]}
        for seed, (name, score) in enumerate({"one": 0.09, "two": 0.02}.items())
    }
    run = run_script("leaderboard.py", "--results", results(**cards), "--compare", "one", "two")
    assert run.returncode == 0, run.stderr
    assert "one: 0.090000, 95 % interval 0.072–0.108" in run.stdout
    expected = differences.difference(0.09, np.array(deviations(0)), 0.02, np.array(deviations(1)))
    assert f"difference: +0.070000, 95 % interval {expected[0][0]:+.6f} to {expected[0][1]:+.6f}" in run.stdout
    assert f"p = {expected[1]:.2g}: they differ" in run.stdout
    smallest = 2.8016 * (expected[0][1] - expected[0][0]) / (2 * 1.95996)
    assert f"Differences below {smallest:.4f} can hardly be told here" in run.stdout


@pytest.mark.parametrize(
    ("different", "said"),
    [
        (5, "16 models, but only 5 different ones"),
        (4, "all runs from one original model are the same (16 models, 4 different ones)"),
        (1, "all 16 models are the same"),
    ],
)
def test_equal_models_are_named_first(results, different, said):
    shared = {"score_deviations": deviations(0), "score_interval": [0.01, 0.02]}
    folder = results(one=shared, two={**shared, "different_models": different})
    run = run_script("leaderboard.py", "--results", folder, "--compare", "one", "two")
    assert run.stdout.startswith(f"two: {said}: ")


def test_several_entries_are_compared_in_all_pairs(results):
    """The best first, whatever the order of the names; who ties with whom is a group."""
    scores = {"middle": 0.08, "low": 0.02, "high": 0.09}
    cards = {
        name: {"score": score, "score_deviations": deviations(seed), "score_interval": [score * 0.8, score * 1.2]}
        for seed, (name, score) in enumerate(scores.items())
    }
    run = run_script("leaderboard.py", "--results", results(**cards), "--compare", *scores)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split(":")[0] for line in lines if ", rank " in line] == ["high", "middle", "low"]
    assert [line.rsplit(", rank ")[1] for line in lines if ", rank " in line] == ["1–2", "1–2", "3"]
    found = {}
    for one, other in (("high", "middle"), ("high", "low"), ("middle", "low")):
        of_pair = [(scores[name], np.array(cards[name]["score_deviations"])) for name in (one, other)]
        found[one, other] = differences.difference(*of_pair[0], *of_pair[1])
    adjusted = false_discovery_control([ties.of_student(p_value, 16) for _, p_value in found.values()])
    at = lines.index("high against")
    assert lines[at + 3] == "middle against"
    for line, ((one, other), ((low, high), _)), p_value in zip(
        lines[at + 1 : at + 3], found.items(), adjusted[:2], strict=False
    ):
        change = f"{scores[one] - scores[other]:+.6f}, 95 % interval {low:+.6f} to {high:+.6f}, p = {p_value:.2g}"
        assert line == f"  {other}: {change}: {'tie' if other == 'middle' else 'they differ'}"
    assert "Tied: high, middle." in lines
    assert "P-values are adjusted for 3 pairs" in run.stdout


@pytest.mark.parametrize(
    ("changes", "names", "message"),
    [
        ({}, ("one", "twoo"), "There is no entry 'twoo'. Did you mean two?"),
        ({"models": 64}, ("one", "two"), "one and two cannot be compared: models is 16 and 64."),
        ({"retrained_population": "x"}, ("one", "two"), "were compared with different retrained models; score both again."),
        (
            {"score_deviations": None, "score_deviations_reason": "16 models are too few for an interval"},
            ("one", "two"),
            "one and two cannot be compared: two has no interval (16 models are too few for an interval).",
        ),
        (
            {"score_deviations": None, "score_deviations_reason": "--no-intervals"},
            ("two", "one"),
            "two has no interval (--no-intervals); score it again without it.",
        ),
        ({"models": 64}, ("one", "both", "two"), "one and two cannot be compared: models is 16 and 64."),
        ({}, ("one",), "--compare needs another entry beside one."),
        ({"task": "z"}, ("one", "both"), "'both' is an entry of digits, z; choose with --task."),
    ],
)
def test_what_cannot_be_compared_ends_in_a_sentence(results, changes, names, message):
    has = {"score_deviations": deviations(0), "score_interval": [0.01, 0.1]}
    folder = results(one=has, two={**has, **changes}, both=has)
    results(both={**has, "task": changes.get("task", "digits")})
    run = run_script("leaderboard.py", "--results", folder, "--compare", *names)
    assert message in run.stderr
    assert run.stderr.startswith("error: ")
    assert run.returncode == 2
