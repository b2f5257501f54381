"""The best trials are judged again, by models that the search has not seen."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest

from evaluation.populations.population import Population
from evaluation.scoring.reporter import Silent
from evaluation.tuning import choice, trials
from evaluation.tuning.study import propose
from starting_kit import contract, search_space, tasks
from starting_kit.errors import RunError, SolutionError
from starting_kit.tasks.task import ONE_AT_A_TIME

TASK = tasks.find("digits")
RANGES = search_space.parse({"epochs": (1, 6)}, {"epochs": 1}, Path("mine.py"))


class Told(Silent):
    """Keeps what it is told."""

    def __init__(self):
        self.sentences = []

    def say(self, sentence):
        self.sentences.append(sentence)


def study_of(scores, costs=None):
    """Trials of epochs 1, 2, 3, ... that had these scores in the search."""
    study = optuna.create_study(direction="maximize")
    for epochs, score in enumerate(scores, start=1):
        study.enqueue_trial({"epochs": epochs})
        trial = study.ask()
        propose(trial, RANGES)
        for name, value in (("score", score), ("cost", (costs or {}).get(epochs, 0.1)), ("models", 48)):
            trial.set_user_attr(name, value)
        study.tell(trial, score)
    return study


@pytest.fixture
def judging(tmp_path, monkeypatch):
    """Trials whose values have some scores with new models; a cost above the limit or an error where it says so."""

    def of(scores, costs=None):
        told, made = Told(), []

        def population(values, unlearners):
            folder = tmp_path / str(values["epochs"])
            folder.mkdir(exist_ok=True)
            return SimpleNamespace(folder=folder, epochs=values["epochs"])

        def forecast(population, models, unlearners, on_finished):
            made.append((population.epochs, models))
            if isinstance(score := scores[population.epochs], Exception):
                raise score
            return score

        fresh = SimpleNamespace(
            solution=SimpleNamespace(search_space=RANGES),
            runners=contextlib.nullcontext,
            reporter=told,
            train=lambda models: made.append(("trained", models)),
            population=population,
            cost=lambda population, unlearners, runs: (costs or {}).get(population.epochs, 0.1),
            forecast=forecast,
        )
        published = SimpleNamespace(task=TASK)
        common = SimpleNamespace(**{**vars(fresh), "afresh": lambda: fresh, "models": 48, "published": published})
        return common, told, made

    return of


def test_the_best_of_five_with_new_models_is_chosen(judging, tmp_path):
    common, told, made = judging({1: 0.010, 2: 0.020, 3: 0.040, 4: 0.030, 5: 0.050, 6: 0.060})
    entry = choice.choose(study_of([0.01, 0.06, 0.05, 0.04, 0.03, 0.02]), common)
    assert entry.values == {"epochs": 6}
    assert entry.score == 0.06
    assert entry.optimism == pytest.approx(0.06 - 0.02)  # of the search's best one
    assert (entry.judged_again, entry.models, entry.trials) == (5, 96, 6)
    assert made == [("trained", 96), (2, 96), (3, 96), (4, 96), (5, 96), (6, 96)]
    assert "trial 2 again: score 0.0200, in the search 0.0600, cost 10%" in told.sentences
    assert list(tmp_path.iterdir()) == []


def test_what_fails_or_costs_too_much_with_new_models_is_passed_over(judging):
    common, told, _ = judging({2: SolutionError("died"), 3: 0.02}, costs={1: trials.HIGHEST_COST + 0.01})
    entry = choice.choose(study_of([0.06, 0.05, 0.04]), common)
    assert (entry.values, entry.judged_again) == ({"epochs": 3}, 1)
    assert entry.optimism == pytest.approx(0.02)
    assert "trial 1 again: too dear, cost 19%" in told.sentences
    assert "trial 2 again: failed: died" in told.sentences


def test_without_any_that_is_cheap_enough_nothing_is_trained(judging):
    common, _, made = judging({})
    with pytest.raises(RunError, match="None of 2 trials worked at less than 18% of a retraining"):
        choice.choose(study_of([0.06, 0.05], costs={1: 0.5, 2: 0.5}), common)
    assert made == []


def test_an_end_of_a_range_is_named(judging):
    common, told, _ = judging({5: 0.01, 6: 0.05})
    choice.choose(study_of([0, 0, 0, 0, 0.06, 0.05]), common)
    assert any(sentence.startswith("At an end of its range: epochs.") for sentence in told.sentences)
    common, told, _ = judging({1: 0.05, 2: 0.01})
    choice.choose(study_of([0.06, 0.05]), common)
    assert not any(sentence.startswith("At an end") for sentence in told.sentences)


def test_all_models_are_new(tmp_path):
    original = Population(TASK, "original", trials.SEED + 3, tmp_path, ONE_AT_A_TIME)
    published = original.unlearned_by(contract.describe(contract.find("finetune"), []), "tuple", ONE_AT_A_TIME)
    retrained = Population(TASK, "retrained", trials.SEED + 3, tmp_path, ONE_AT_A_TIME)
    before = trials.Trials(published, retrained, 48, None, 10.0, None, None, {})
    after = before.afresh()
    populations = [(made.published, made.published.original, made.retrained) for made in (before, after)]
    for old, new in zip(*populations, strict=True):
        assert (old.master_seed, new.master_seed) == (trials.SEED + 3, trials.SEED_AGAIN + 3)
        assert old.folder != new.folder
        assert old.kind == new.kind
    assert not {old.model_seed(i) for old in populations[0] for i in range(48)} & {
        new.model_seed(i) for new in populations[1] for i in range(48)
    }
