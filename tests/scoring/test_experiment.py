"""How long things take is measured so that it takes no longer than it must."""

import dataclasses
from types import SimpleNamespace

import pytest

from evaluation.populations import timing
from evaluation.populations.population import Population
from evaluation.scoring import cost, plan
from starting_kit import contract, tasks
from starting_kit.errors import InputError
from starting_kit.tasks.task import ONE_AT_A_TIME

TASK = tasks.find("digits")


class Here:
    """Runs in this process what a worker would, and notes it."""

    def __init__(self):
        self.called = []

    def run(self, function, *arguments):
        self.called.append(function.__name__)
        return function(*arguments)


def test_a_long_training_is_timed_by_an_epoch(tmp_path, monkeypatch):
    population = Population(TASK, "retrained", 0, tmp_path, ONE_AT_A_TIME)
    whole = timing.time_retraining(population, 0)
    monkeypatch.setattr(timing, "LONG", 0.0)
    from_one_epoch = timing.time_retraining(population, 0)
    assert whole / 2 < from_one_epoch < whole * 2


def test_long_timings_are_not_repeated(monkeypatch):
    monkeypatch.setattr(timing, "time_unlearning", lambda population, model: 1.0 + model)
    monkeypatch.setattr(timing, "time_retraining", lambda population, model: 10.0)
    unlearners, trainers = Here(), Here()
    assert cost.measure_cost(None, None, trainers, unlearners) == 0.2  # the median of 1, 2, 3 over 10
    assert len(unlearners.called) == len(trainers.called) == cost.TIMED_RUNS
    monkeypatch.setattr(cost, "LONG_TIMING", 0.0)
    assert cost.measure_cost(None, None, trainers, unlearners) == 0.1
    assert len(unlearners.called) == len(trainers.called) == cost.TIMED_RUNS + 1


def test_a_task_for_one_model_at_a_time_is_not_run_in_lockstep(tmp_path):
    large = dataclasses.replace(TASK, unlearned_at_once=1)
    original = Population(large, "original", 0, tmp_path, ONE_AT_A_TIME)
    solution = contract.describe(contract.find("finetune"), [])
    engine, why, _ = plan.choose_engine(None, original, solution, "tuple", Here())
    assert (engine, why) == (ONE_AT_A_TIME, "cnn-8-16-16 on digits takes one model at a time")
    with pytest.raises(InputError, match=r"--engine lockstep: cnn-8-16-16 on digits takes one model at a time"):
        plan.choose_engine("lockstep", original, solution, "tuple", Here())


@pytest.mark.parametrize(("objection", "warned"), [("it seeds by a clock", True), (None, False)])
def test_lockstep_that_is_forced_is_tried_all_the_same(tmp_path, objection, warned):
    original = Population(TASK, "original", 0, tmp_path, ONE_AT_A_TIME)
    solution = contract.describe(contract.find("finetune"), [])
    unlearners = SimpleNamespace(run=lambda *job: objection)
    engine, why, notes = plan.choose_engine("lockstep", original, solution, "tuple", unlearners)
    assert engine.kind == "grouped"
    assert ("against the trial: it seeds by a clock" in why) == warned
    assert [("forced: it seeds by a clock" in note, note.startswith("WARNING")) for note in notes] == [(True, True)] * warned
