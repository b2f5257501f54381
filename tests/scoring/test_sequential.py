"""Scoring with as few models as tell a solution from another: when it stops, and what it says and leaves behind."""

import dataclasses
import json

import numpy as np
import pytest
from msgspec.structs import replace

from conftest import run_script
from evaluation.metric import differences, intervals
from evaluation.metric.looks import Look
from evaluation.metric.measured import Measured
from evaluation.populations.population import Population
from evaluation.reports.sequential import verdict
from evaluation.scoring import ScoringConfig, codec, sequential
from evaluation.scoring.config import SequentialConfig
from evaluation.scoring.reporter import Silent
from evaluation.scoring.scorecard import Hyperparameters
from starting_kit import tasks
from starting_kit.errors import InputError

TASK = tasks.find("digits")
DEVIATION = 0.1  # of the scores of made-up cards, relative


def deviations(seed):
    return Measured((np.random.default_rng(seed).normal(size=(intervals.CUTS, intervals.PARTS)) * DEVIATION).tolist())


class Heard(Silent):
    """What was said."""

    def __init__(self):
        self.said = []

    def say(self, sentence):
        self.said.append(sentence)


@pytest.fixture
def scored(sixteen, monkeypatch):
    """Put made-up scorecards in the place of those that would be measured; gives the list of what was to be scored."""
    card, asked = codec.read(sixteen.path), []
    found = {}

    def score(config, reporter):
        asked.append(config)
        value = found[config.solution]
        value = value(config.models) if callable(value) else value
        made = replace(
            card,
            solution=config.solution,
            models=config.models,
            design="one original",
            originals=1,
            score=Measured(value),
            score_deviations=deviations(config.solution == "finetune"),
            ceiling=Measured(0.2),
        )
        return codec.write(made, config.results / "digits" / f"{config.solution}--n{config.models}.json")

    monkeypatch.setattr(sequential, "score", score)

    def scores(**values):
        found.update(values)
        return asked

    return scores


@pytest.fixture
def configured(tmp_path):
    """A comparison of kookmin with finetune."""

    def configure(margin=None, **options):
        own = ScoringConfig(solution="kookmin", results=tmp_path / "results", runs=tmp_path / "runs", **options)
        return SequentialConfig(scoring=own, against="finetune", margin=margin)

    return configure


def test_it_stops_at_the_first_look_that_is_clear(scored, configured, tmp_path):
    asked = scored(kookmin=lambda models: 0.05 + 0.05 * (models >= 128), finetune=0.05)
    reporter = Heard()
    outcome = sequential.score_until_clear(configured(json=tmp_path / "card.json"), reporter)
    assert (outcome.look.models, outcome.look.verdict) == (128, "first is better")
    looked = [(config.solution, config.models) for config in asked]
    assert looked == [(name, models) for models in (64, 128) for name in ("kookmin", "finetune")] + [("kookmin", 128)]
    assert [sentence.split(":")[0] for sentence in reporter.said] == ["64 models", "128 models"]
    assert [sentence.rsplit(": ")[-1] for sentence in reporter.said] == ["not clear yet", "first is better"]
    # Only the last scorecard is one that the user gets.
    assert [config.json for config in asked] == [None] * 4 + [tmp_path / "card.json"]
    assert [path.name for path in (tmp_path / "results").glob("*/*.json")] == ["kookmin--n128.json"]
    assert not any(config.results.exists() for config in asked[:4])
    assert outcome.card.models == 128


def test_the_worse_of_two_is_named_so(scored, configured):
    scored(kookmin=0.05, finetune=0.15)
    assert sequential.score_until_clear(configured()).look.verdict == "second is better"


def test_it_stops_where_no_difference_matters(scored, configured):
    scored(kookmin=0.1, finetune=0.1)
    assert sequential.score_until_clear(configured(margin=0.2)).look.verdict == "no difference that matters"
    outcome = sequential.score_until_clear(configured(margin=0.0001))
    assert (outcome.look.verdict, outcome.look.models) == (None, 512)


def test_the_margin_is_a_tenth_of_the_ceiling(scored, configured):
    scored(kookmin=0.1, finetune=0.1)
    assert sequential.score_until_clear(configured(models=128)).look.margin == pytest.approx(0.02)


def test_the_last_look_ends_it(scored, configured):
    asked = scored(kookmin=0.1, finetune=0.101)
    outcome = sequential.score_until_clear(configured(models=256))
    assert [config.models for config in asked] == [64, 64, 128, 128, 256, 256, 256]
    assert (outcome.look.verdict, outcome.planned) == (None, [64, 128, 256])
    (low, high), _ = differences.difference(0.1, np.array(deviations(False).value), 0.101, np.array(deviations(True).value))
    assert outcome.look.interval[0] < low < 0 < high < outcome.look.interval[1]  # its share is less than 5 %


def test_without_an_interval_nothing_is_clear(sixteen):
    card = codec.read(sixteen.path)
    assert sequential.judge([card, card], 0.01, None).verdict is None
    with pytest.raises(InputError, match="cannot be compared: they have different retrained models"):
        sequential.judge([card, replace(card, retrained_population="other")], 0.01, None)


@pytest.mark.parametrize(
    ("originals", "looks"), [(None, [64, 128, 256, 512]), (16, [64, 128, 256, 512]), (24, [128, 256, 512])]
)
def test_looks_share_their_models(originals, looks, tmp_path):
    """What is made for one look is a part of what is made for the next, so all are kept in the same place."""
    config = SequentialConfig(scoring=ScoringConfig(solution="kookmin", originals=originals), against="finetune")
    config.check()
    assert config.looks == looks
    designs = [dataclasses.replace(config.scoring, models=models).design(TASK) for models in looks]
    assert {(design.originals, design.in_a_row) for design in designs} == {(originals or 128, 4)}
    population = Population(TASK, "original", 0, tmp_path, TASK.engine, originals=designs[0].originals)
    assert [population.originals_of(models) for models in looks] == [min(originals or 128, models // 4) for models in looks]


@pytest.mark.parametrize(
    ("used", "settings"),
    [
        (Hyperparameters("published", {"epochs": 1}), {"hyperparameters": "published", "set": ()}),
        (Hyperparameters("tuned", {"epochs": 1}), {"hyperparameters": "tuned", "set": ()}),
        (Hyperparameters("transferred", {"epochs": 1}), {"hyperparameters": "transferred", "set": ()}),
        (
            Hyperparameters("set", {"epochs": 2, "parts": [1, 2], "rate": 0.1}, ["epochs", "parts"], "tuned"),
            {"hyperparameters": "tuned", "set": ("epochs=2", "parts=(1, 2)")},
        ),
    ],
)
def test_an_entry_stands_for_its_values(sixteen, tmp_path, used, settings):
    card = codec.read(sixteen.path)
    codec.write(replace(card, hyperparameters=used), tmp_path / "digits" / "finetune--mine.json")
    own = ScoringConfig(solution="kookmin", results=tmp_path, set=("rate=1",), data_free=True, seed=3)
    other = sequential.opponent(SequentialConfig(scoring=own, against="finetune--mine"), TASK)
    assert other == dataclasses.replace(own, solution="finetune", data_free=False, **settings)
    plain = sequential.opponent(SequentialConfig(scoring=own, against="finetune"), TASK)
    assert plain == dataclasses.replace(own, solution="finetune", set=(), data_free=False)


KOOKMIN = ("--solution", "kookmin")
AGAINST = (*KOOKMIN, "--stop-when-clear", "--against", "finetune")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*KOOKMIN, "--stop-when-clear"), "--stop-when-clear needs --against NAME"),
        ((*KOOKMIN, "--against", "finetune"), "--against is for --stop-when-clear"),
        ((*KOOKMIN, "--margin", 0.1), "--margin is for --stop-when-clear"),
        (("--populations", "x", "--stop-when-clear"), "--stop-when-clear is for --solution"),
        ((*AGAINST, "--margin", 0), "--margin 0.0 must be greater than 0"),
        ((*AGAINST, "--models", 64), "--models 64: --stop-when-clear doubles 64"),
        ((*AGAINST, "--models", 192), "--models 192: --stop-when-clear doubles 64"),
        ((*AGAINST, "--originals", 128), "--originals 128: with 4 runs from each there is no look before the last"),
        ((*AGAINST, "--no-intervals"), "leave --no-intervals out"),
        ((*KOOKMIN, "--stop-when-clear", "--against", "kookmin"), "--against kookmin is the solution itself"),
        ((*KOOKMIN, "--stop-when-clear", "--against", "finetun"), "Did you mean finetune?"),
    ],
)
def test_what_makes_no_sense_ends_in_a_sentence(tmp_path, arguments, message):
    run = run_script("score.py", *arguments, "--results", tmp_path)
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stderr.startswith("error: ")


def test_the_command_ends_with_the_verdict(scored, tmp_path):
    scored(kookmin=0.1, finetune=0.05)
    run = run_script("score.py", *AGAINST, "--results", tmp_path / "results", "--runs", tmp_path / "runs")
    assert run.returncode == 0, run.stderr
    assert "\nkookmin is better than finetune: 0.1000 against 0.0500 with 64 models; stopped at 64 of 512. " in run.stdout
    scored(kookmin=0.02, finetune=0.01)
    run = run_script("score.py", *AGAINST, "--results", tmp_path / "results", "--runs", tmp_path / "runs")
    assert "\nkookmin is better than finetune, though by less than matters: 0.0200 against 0.0100 with" in run.stdout


def test_only_a_comparison_that_was_cut_short_has_stopped(sixteen):
    """Clear at the last look as well as undecided there: all models were made."""
    card, names = codec.read(sixteen.path), ("kookmin", "finetune")
    for models, stopped in ((64, True), (128, False)):
        look = Look(models, (0.1, 0.05), (0.01, 0.09), 0.01, margin=0.01)
        assert ("stopped at" in verdict(sequential.Outcome(card, names, look, [64, 128]))) == stopped


@pytest.mark.slow
def test_two_solutions_are_compared_with_as_few_models_as_it_takes(tmp_path):
    """Whoever does nothing is found out at once."""
    places = ("--runs", tmp_path / "runs", "--results", tmp_path / "results", "--json", tmp_path / "card.json")
    arguments = ("--solution", "original", "--stop-when-clear", "--against", "finetune", "--epochs", 1, "--models", 128)
    run = run_script("score.py", *arguments, *places)
    assert run.returncode == 0, run.stderr
    assert "original is worse than finetune" in run.stdout
    assert "stopped at 64 of 128" in run.stdout
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["models"], card["originals"], card["solution"]) == (64, 16, "original")
    assert [path.name for path in (tmp_path / "results").glob("*/*.json")] == ["original--trained1,n64.json"]
    again = run_script("score.py", "--solution", "finetune", "--epochs", 1, "--models", 128, "--no-intervals", *places)
    assert "unlearned          128 models (64 made in" in again.stderr
