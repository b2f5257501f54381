"""How long things take is measured so that it takes no longer than it must."""

import dataclasses
import time
from types import SimpleNamespace

import pytest

from evaluation.populations import timing
from evaluation.populations.population import Population
from evaluation.populations.runs import Pools
from evaluation.scoring import plan
from starting_kit import contract, tasks
from starting_kit.errors import InputError
from starting_kit.tasks.task import ONE_AT_A_TIME

TASK = tasks.find("digits")


class Here:
    """Runs in this process what a worker would."""

    def run(self, function, *arguments, limit=None):
        return function(*arguments)


def test_a_training_is_timed_by_some_epochs_and_a_long_one_by_one(tmp_path, monkeypatch):
    population = Population(TASK, "retrained", 0, tmp_path, ONE_AT_A_TIME)
    start = time.process_time()
    timing.train_alone(population, TASK, 0, TASK.load().retain)
    whole = time.process_time() - start
    trained = []
    train_alone = timing.train_alone
    monkeypatch.setattr(timing, "train_alone", lambda *given: trained.append(given[1].recipe.epochs) or train_alone(*given))
    from_five_epochs = timing.time_retraining(population, 0)
    monkeypatch.setattr(timing, "LONG", 0.0)
    from_one_epoch = timing.time_retraining(population, 0)
    monkeypatch.setattr(timing, "_first_epochs", {})
    at_once = timing.time_retraining(population, 0)
    assert trained == [1, 5, 1, 1]
    assert all(whole / 2 < seconds < whole * 2 for seconds in (from_five_epochs, from_one_epoch, at_once))


def test_a_task_for_one_model_at_a_time_is_not_run_in_lockstep(tmp_path):
    large = dataclasses.replace(TASK, unlearned_at_once=1)
    original = Population(large, "original", 0, tmp_path, ONE_AT_A_TIME)
    solution = contract.describe(contract.find("finetune"), [])
    engine, why, _ = plan.choose_engine(None, original, solution, "tuple", Pools(Here(), Here()))
    assert (engine, why) == (ONE_AT_A_TIME, "cnn-8-16-16 on digits takes one model at a time")
    with pytest.raises(InputError, match=r"--engine lockstep: cnn-8-16-16 on digits takes one model at a time"):
        plan.choose_engine("lockstep", original, solution, "tuple", Pools(Here(), Here()))


@pytest.mark.parametrize(("objection", "warned"), [("it seeds by a clock", True), (None, False)])
def test_lockstep_that_is_forced_is_tried_all_the_same(tmp_path, monkeypatch, objection, warned):
    monkeypatch.setattr(plan, "start_from", lambda original, numbers: {})
    original = Population(TASK, "original", 0, tmp_path, ONE_AT_A_TIME)
    solution = contract.describe(contract.find("finetune"), [])
    workers = SimpleNamespace(run=lambda *job, limit: objection)
    engine, why, notes = plan.choose_engine("lockstep", original, solution, "tuple", Pools(workers, workers))
    assert engine.kind == "grouped"
    assert ("against the trial: it seeds by a clock" in why) == warned
    assert [("forced: it seeds by a clock" in note, note.startswith("WARNING")) for note in notes] == [(True, True)] * warned
