"""Checks a solution: has it observed in processes of its own, and judges property by property."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from evaluation.checking import jobs, observed, processes
from evaluation.checking.processes import Broken, Job
from evaluation.checking.properties.file import OF_FILE
from evaluation.checking.properties.network import OF_CALL
from evaluation.checking.properties.process import OF_PROCESS
from evaluation.checking.properties.score import OF_SCORE
from evaluation.checking.subject import Subject
from evaluation.checking.verdict import Finding, Property, Report, Verdict
from evaluation.populations.jobs import get_ready
from evaluation.scoring.config import ScoringConfig
from evaluation.scoring.reporter import SILENT, Reporter
from evaluation.scoring.scorer import solution_path, tuned_values
from starting_kit.errors import InputError, RunError
from starting_kit.files import require_writable

CONTRACT: tuple[Property, ...] = (*OF_FILE, *OF_CALL, *OF_PROCESS)  # what every solution must keep to
PROPERTIES: tuple[Property, ...] = (*CONTRACT, *OF_SCORE)
TIME_LIMIT = 30.0  # seconds of each job in which a solution runs
SHARE = 0.4  # of it after which no further run is begun
NEEDS_MORE_TIME = "Something in it does not end. If it is meant to take that long, --time-limit gives it more"
ONE_CALL = {"text", "batches", "call"}  # jobs that end if one call does
ALWAYS = {"text", "original", "batches"}  # jobs on which others rest
MEND = "Mend the line that is named, and check again"


class Stage(NamedTuple):
    """Jobs that run at the same time.

    Attributes:
        title: what is being found out, for people.
        jobs: names, with what each does.
        alone: whether each needs the machine for itself.
    """

    title: str
    jobs: dict[str, Job]
    alone: bool = False


def check(
    config: ScoringConfig,
    reporter: Reporter = SILENT,
    time_limit: float = TIME_LIMIT,
    properties: Sequence[Property] = PROPERTIES,
    on_verdict: Callable[[Verdict], None] = lambda verdict: None,
) -> Report:
    """Find out what is wrong with a solution, before it is scored.

    Args:
        config: which solution, and on which task; what only scoring needs is not looked at.
        reporter: is told what takes time; nobody is if it is not given.
        time_limit: seconds that each of some ten trials may take.
        properties: that are of interest; others, such as the cost, are not looked at.
        on_verdict: is called with each verdict as soon as it is known.

    Raises:
        InputError: there is no such solution or task, or a number is out of range.
        RunError: a retrained model could not be made, or a file not be written.
        KeyboardInterrupt: the user interrupted.
    """
    start = time.monotonic()
    task = config.find_task()
    found = []
    for verdict in _verdicts(config, reporter, time_limit, properties):
        on_verdict(verdict)
        found.append(verdict)
    return Report(_name(config), task.name, tuple(found), round(time.monotonic() - start, 1))


def _verdicts(
    config: ScoringConfig, reporter: Reporter, time_limit: float, properties: Sequence[Property]
) -> Iterator[Verdict]:
    if not time_limit > 0:
        raise InputError(f"--time-limit {time_limit} must be greater than 0.")
    config.check()
    subject = _subject(config, reporter)
    seen: dict[str, Any] = {}
    needed = {need for each in properties for need in each.needs} | ALWAYS
    waiting = list(properties)
    for stage in _stages(subject, seen, time_limit):
        wanted = {name: job for name, job in stage.jobs.items() if name in needed}
        results = processes.run(list(wanted.values()), 1 if stage.alone else config.cores)
        with reporter.waiting(stage.title) as retitle:
            for done, (name, result) in enumerate(zip(wanted, results, strict=True), start=1):
                seen[name] = result
                retitle(f"{stage.title}: {done} of {len(wanted)} trials done")
        while waiting and all(need in seen for need in waiting[0].needs):
            yield judge(waiting.pop(0), seen)
    yield from (judge(each, seen) for each in waiting)


def judge(each: Property, seen: dict[str, Any]) -> Verdict:
    """The verdict on a property.

    Args:
        each: the property.
        seen: by the name of a job what it gave, or a `Broken`; a job that was not begun is absent.
    """
    finding = _finding(each, seen)
    return Verdict(each.name, finding.outcome, finding.said, finding.hint)


def _finding(each: Property, seen: dict[str, Any]) -> Finding:
    for need in each.needs:
        result = seen.get(need)
        if result is None:
            return Finding("unchecked", "needs a call that completes")
        if isinstance(result, Broken):
            return _of_broken(result, need, is_answer=need == each.answers_for)
    return each.judge(*(seen[need] for need in each.needs))


def _of_broken(result: Broken, job: str, is_answer: bool) -> Finding:
    """What a job without a result says of a property. Several calls may take too long where each of them ends."""
    if is_answer and (not result.hung or job in ONE_CALL):
        return Finding("failure", result.reason, NEEDS_MORE_TIME if result.hung else MEND)
    return Finding("unchecked", f"{result.reason}; --time-limit gives it more" if result.hung else result.reason)


def _subject(config: ScoringConfig, reporter: Reporter) -> Subject:
    task = config.find_task()
    require_writable(config.runs, "--runs")
    path, _ = solution_path(config, task, reporter)
    path = path.absolute()
    with reporter.waiting(f"Reading {task.name}"):
        digest = _required(next(processes.run([Job(jobs.digest, (task,), str, None, path)], 1)))
    return Subject(
        path=path,
        settings=config.set,
        tuned=tuned_values(config, task, path),
        transferred=config.hyperparameters == "transferred",
        task=replace(task, digest=digest),
        seed=config.seed,
        runs=config.runs.absolute(),
        originals=config.design(task).originals,
        data_free=config.data_free,
    )


def _stages(subject: Subject, seen: dict[str, Any], limit: float) -> Iterator[Stage]:
    """What to do next, given what has been seen; a solution of which no call completes is not tried further."""

    def job(function: Any, gives: Any, *arguments: Any, seconds: float | None = limit, is_confined: bool = True) -> Job:
        confined = subject.confinement() if is_confined else None
        ready = partial(get_ready, subject.task)  # it reads the data, which a confined process may not
        return Job(function, (subject, *arguments), gives, seconds, subject.path, ready, confined)

    yield Stage("Reading the file", {"text": job(jobs.text, observed.Text)})
    if isinstance(seen["text"], Broken) or seen["text"].fault:
        return
    subject = replace(subject, trains=seen["text"].trains)
    without: dict[str, Any] = {"seconds": None, "is_confined": False}
    trained = {"original": job(jobs.original, int, **without), "retrained": job(jobs.retrained, observed.Runs, **without)}
    yield Stage("Training models, which scoring will find", trained)
    for name in trained.keys() & seen.keys():
        _required(seen[name])
    yield Stage("Trying both kinds of batches", {"batches": job(jobs.dry_calls, observed.DryCalls)})
    if isinstance(seen["batches"], Broken) or seen["batches"].chosen is None:
        return
    subject = replace(subject, batches=seen["batches"].chosen)
    called = {"call": job(jobs.call, observed.Call), "reach": job(jobs.reach, observed.Reach)}
    yield Stage("Calling it", {**called, "kaggle": job(jobs.kaggle, observed.Kaggle)})
    if isinstance(seen["call"], Broken):
        return
    yield Stage(
        "Calling it again, and many times",
        {
            "other seed": job(jobs.other_seed, str),
            "again": job(jobs.again, observed.Again),
            "runs": job(jobs.runs, observed.Runs, SHARE * limit),
            "lockstep": job(jobs.lockstep, observed.Lockstep),
        },
    )
    times = {"unlearning times": job(jobs.time_unlearning, list[float], SHARE * limit)}
    times["retraining times"] = job(jobs.time_retraining, list[float], **without)
    yield Stage("Timing it against retraining", times, alone=True)


def _required(result: Any) -> Any:
    """What a job gave on which all others rest.

    Raises:
        InputError: data are missing or damaged.
        RunError: training failed.
    """
    if isinstance(result, Broken):
        raise (InputError if result.is_input else RunError)(f"{result.reason}.")
    return result


def _name(config: ScoringConfig) -> str:
    """What the solution is called."""
    return config.solution.rpartition("/")[2].removesuffix(".py").removesuffix(".ipynb")
