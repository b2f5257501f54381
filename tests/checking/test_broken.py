"""Every property that is checked has a solution that lacks it, and honest solutions have them all."""

import dataclasses
from functools import partial

import pytest

import broken
from evaluation.checking import checker, jobs, observed, processes
from evaluation.checking.checker import CONTRACT, PROPERTIES
from evaluation.checking.processes import Job
from evaluation.checking.properties import score
from evaluation.checking.subject import Subject
from evaluation.populations import trying
from evaluation.populations.jobs import get_ready
from starting_kit import tasks
from starting_kit.errors import RunError

LIMIT = 20.0  # seconds, for what hangs: a busy machine takes some until it is called
OBSERVE = {
    "text": (jobs.text, observed.Text),
    "batches": (jobs.dry_calls, observed.DryCalls),
    "call": (jobs.call, observed.Call),
    "other seed": (jobs.other_seed, str),
    "again": (jobs.again, observed.Again),
    "reach": (jobs.reach, observed.Reach),
    "retrained": (jobs.retrained, observed.Runs),
    "kaggle": (jobs.kaggle, observed.Kaggle),
    "lockstep": (jobs.lockstep, observed.Lockstep),
    "runs": (lambda subject: jobs.runs(subject, 60.0), observed.Runs),
}


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """Digits, with networks that are trained for one epoch."""
    task = tasks.find("digits", epochs=1)
    task = dataclasses.replace(task, digest=trying.look_at_data(task)[0])
    folder = tmp_path_factory.mktemp("check")
    found = Subject(folder / "broken.py", (), None, False, task, 0, folder / "runs", 128, False)
    jobs.original(found)
    return found


@pytest.fixture(scope="module")
def retrained(subject):
    return jobs.retrained(subject)


def verdict(subject, name, text, observe):
    """On one property of a file with that text, from what a function observes in the jobs that the property needs."""
    subject.path.write_text(text.replace("FOLDER", str(subject.path.parent.parent)))
    each = next(each for each in PROPERTIES if each.name == name)
    return checker.judge(each, {need: observe(need, subject) for need in each.needs})


def here(need, subject):
    try:
        return OBSERVE[need][0](subject)
    except RunError as error:
        return processes.Broken(str(error))


def apart(need, subject, limit=None):
    function, gives = OBSERVE[need]
    confined = partial(get_ready, subject.task), subject.confinement()
    (result,) = processes.run([Job(function, (subject,), gives, limit, subject.path, *confined)], 1)
    return result


def require(found, solution):
    assert found.outcome == solution.outcome, found
    assert solution.said.replace("FOLDER/", "") in f"{found.said} {found.hint}", found
    assert found.hint


@pytest.mark.parametrize("solution", [*broken.OF_FILE, *broken.OF_NETWORK, *broken.OF_PROCESS], ids=lambda s: s.said)
def test_a_solution_that_lacks_a_property_is_told_so(subject, solution):
    require(verdict(subject, solution.lacks, solution.text, here), solution)


@pytest.mark.parametrize("solution", broken.OF_OWN_PROCESS, ids=lambda s: s.said)
def test_whatever_becomes_of_its_process(subject, solution):
    (subject.path.parent.parent / "decoy").touch()
    require(verdict(subject, solution.lacks, solution.text, apart), solution)


@pytest.mark.slow
@pytest.mark.parametrize("solution", broken.OF_TIME, ids=lambda s: s.text)
def test_if_it_does_not_end(subject, solution):
    require(verdict(subject, solution.lacks, solution.text, partial(apart, limit=LIMIT)), solution)


@pytest.mark.parametrize("solution", broken.OF_SCORE, ids=lambda s: s.said)
def test_weaknesses(subject, retrained, solution):
    (subject.path.parent / "table.txt").touch()
    require(verdict(subject, solution.lacks, solution.text, here), solution)


@pytest.mark.parametrize("name", broken.HONEST)
def test_honest_solutions_keep_to_the_contract(subject, name):
    subject.path.write_text(broken.HONEST[name])
    seen = {need: here(need, subject) for need in ("text", "batches", "call", "other seed", "again")} | {
        "reach": apart("reach", subject)
    }
    found = [checker.judge(each, seen) for each in CONTRACT]
    assert {each.outcome for each in found} == {"pass"}, found


def test_every_property_has_a_broken_solution():
    solutions = [*broken.OF_FILE, *broken.OF_NETWORK, *broken.OF_PROCESS, *broken.OF_OWN_PROCESS, *broken.OF_SCORE]
    assert {solution.lacks for solution in solutions} | {"cost"} == {each.name for each in PROPERTIES}


def test_a_cost_above_the_limit_is_a_weakness():
    assert score.cost([1.0, 1.1, 1.0], [10.0, 10.0, 10.0]).outcome == "pass"
    assert "close to the limit" in score.cost([1.5, 1.9, 2.4], [10.0, 10.0, 10.0]).said
    assert score.cost([3.0], [10.0]).outcome == "weakness"
