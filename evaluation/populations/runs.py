"""Models that a stranger's code makes: each call of it is a job of its own, which may fail, and others store what it gives."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from evaluation.populations import jobs
from evaluation.populations.executors import Ended, LocalProcesses
from evaluation.populations.made import FailedRun, Made, Parcel, Start
from evaluation.populations.population import Population
from starting_kit.errors import RunError, SolutionError, WorkerDiedError
from starting_kit.files import Arrays, read_intact

STORE_EVERY = 0.25  # seconds, at least, between two times that a shard is written
STORED_AT_ONCE = 32  # models, about, that one trainer stores in a row
MOST_FAILED = 0.02  # of the runs of a population; more end its making
SHOWN = 3  # failed runs, the first, in the sentence that ends it


class Pools(NamedTuple):
    """Who does what.

    Attributes:
        trainers: train networks by the task's recipe, and store what solutions give; no stranger's code runs in them.
        runners: run a solution.
        time_limit: seconds that a solution has for each model; None for no limit.
    """

    trainers: LocalProcesses
    runners: LocalProcesses
    time_limit: float | None = None

    def that_make(self, population: Population) -> LocalProcesses:
        """Those in which models are made."""
        return self.trainers if population.made_by is None else self.runners

    def limit(self, times: float) -> float | None:
        """The time for what takes so many times as long as a model may."""
        return None if self.time_limit is None else times * self.time_limit


def make(
    population: Population,
    models: int,
    missing: dict[int, list[int]],
    pools: Pools,
    on_finished: Callable[[int], None],
    notice: Callable[[str], None],
) -> list[FailedRun]:
    """Have a solution make models, and store them as they come.

    Args:
        population: of which kind.
        models: how many it is to have.
        missing: those that are wanted, by shard.
        pools: where.
        on_finished: called with the number of models newly finished.
        notice: called with a sentence for the user.

    Returns:
        The runs that failed, at most `MOST_FAILED` of all.

    Raises:
        DataWithheldError: the solution reads data that it is not given.
        SolutionError: more failed; what was finished is kept.
        SourceChangedError: the solution was edited in the meantime.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    calls, failures = list(_calls(population, missing)), _Failures(population, models)
    begun = _begun(population, [call for _, call in calls], pools)
    with _Store(population, pools.trainers) as store, closing(begun) as batches:
        for ended in batches:
            for each in ended:
                shard, call = calls[each.number]
                store.add(shard, call, failures.result_of(each, call))
                on_finished(len(set(call) & set(missing[shard])))
            failures.add(store.refused())
        failures.add(store.all_refused())
    for remark in sorted(store.remarks):
        notice(f"{remark}.")
    return failures.runs


def with_start(population: Population, models: list[int]) -> tuple[Population, list[int], Start]:
    """The arguments of `run_solution`: weights are read when they are sent, as all of them may take much memory."""
    return population, models, start_of(population, models)


def start_of(population: Population, models: Iterable[int]) -> Start:
    """The weights of the original models that unlearned ones come from (see `start_from`); none where they are trained.

    Raises:
        RunError: a file is gone.
    """
    original = population.original
    return {} if original is None else start_from(original, {population.original_of(model) for model in models})


def start_from(original: Population, numbers: Iterable[int]) -> Start:
    """The weights of original models, for workers that may not read them; not of one that comes with the data set.

    Raises:
        RunError: a file is gone.
    """
    start: Start = {}
    for number in numbers:
        if number or original.task.original is None:
            start[number] = _weights(original.weights_path(number).absolute())
    return start


@lru_cache(maxsize=8)  # runs from one original model follow each other
def _weights(path: Path) -> Arrays:
    arrays = read_intact(path)
    if arrays is None:
        raise RunError(f"{path} is missing or damaged; run the same command to make it again.")
    return arrays


def _begun(population: Population, calls: list[list[int]], pools: Pools) -> Generator[list[Ended[Made]], None, None]:
    """Runs, as they end. A solution's own trainer has no time limit: nothing says how long training may take."""
    limit = None if population.trainer else pools.limit(max(map(len, calls), default=1))
    wanted = [(population, call) for call in calls]
    return pools.runners.as_they_end(jobs.run_solution, wanted, limit=limit, completed=with_start)


def _calls(population: Population, missing: dict[int, list[int]]) -> Iterator[tuple[int, list[int]]]:
    """The shard and the models of each call: in lockstep all of a shard, else one."""
    for shard, models in missing.items():
        if population.engine.kind == "single":
            yield from ((shard, [model]) for model in models)
        else:
            yield shard, list(population.models_of_shard(shard))


class _Store:
    """Has models stored while others are made: a thread waits for the trainers. What has come when it ends is stored as well.

    Args:
        population: of the models.
        trainers: build the networks, compute the outputs, and write them.

    Attributes:
        remarks: what the user should know of the models, in sentences.
    """

    def __init__(self, population: Population, trainers: LocalProcesses) -> None:
        self._population, self._trainers = population, trainers
        self._made: dict[int, list[tuple[int, Parcel]]] = {}
        self.remarks = set[str]()
        self._thread = ThreadPoolExecutor(1)
        self._under_way: Future[list[list[FailedRun]]] | None = None
        self._began = time.monotonic()

    def __enter__(self) -> "_Store":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.all_refused()
        finally:
            self._thread.shutdown(wait=False)

    def add(self, shard: int, call: list[int], made: Made | None) -> None:
        """Take what a call gave, if it did, of models of a shard."""
        if made is not None:
            self._made.setdefault(shard, []).extend(zip(call, made.models, strict=True))
            self.remarks |= set(made.remarks)

    def refused(self) -> list[FailedRun]:
        """Models that cannot be used, of those that are stored by now; begins to store what has come since, now and then."""
        if self._under_way is not None and not self._under_way.done():
            return []
        found = self._outcome()
        if self._made and time.monotonic() - self._began > STORE_EVERY:
            self._begin()
        return found

    def all_refused(self) -> list[FailedRun]:
        """Models that cannot be used, once all are stored."""
        found = self._outcome()
        if self._made:
            self._begin()
            found += self._outcome()
        return found

    def _begin(self) -> None:
        """In as few jobs as can keep up: each needs a trainer, which takes seconds to start."""
        shards, self._made = list(self._made.items()), {}
        jobs_wanted = min(-(-sum(len(models) for _, models in shards) // STORED_AT_ONCE), len(shards))
        wanted = [(self._population, shards[first::jobs_wanted]) for first in range(jobs_wanted)]
        self._under_way, self._began = self._thread.submit(self._trainers.run_all, jobs.store_models, wanted), time.monotonic()

    def _outcome(self) -> list[FailedRun]:
        under_way, self._under_way = self._under_way, None
        return [] if under_way is None else [run for refused in under_way.result() for run in refused]


class _Failures:
    """Runs that failed so far."""

    def __init__(self, population: Population, models: int) -> None:
        solution = population.made_by
        assert solution is not None, population.kind
        self.name, self.models = solution.name, models
        self.most = MOST_FAILED * models if population.solution else 0  # a trained model that is not there is not found out
        self.together = population.engine.kind != "single"
        self.runs: list[FailedRun] = []
        self.calls: list[tuple[str, str]] = []  # which models, and why

    def result_of(self, ended: Ended[Made], call: list[int]) -> Made | None:
        """What a call gave; None where it failed."""
        if not isinstance(ended.error, SolutionError | WorkerDiedError):
            if len(ended.result.models) == len(call):
                return ended.result
            ended = Ended(ended.number, SolutionError("its worker gave another number of models"))
        which = f"models {call[0]} to {call[-1]}, which ran in lockstep" if self.together else f"model {call[0]}"
        self.calls.append((which, str(ended.error)))
        self.runs += [FailedRun(model, str(ended.error)) for model in call if model < self.models]
        return None

    def add(self, runs: Iterable[FailedRun]) -> None:
        """Add models that cannot be used; and go on only if few failed by now.

        Raises:
            SolutionError: more did.
        """
        for run in runs:
            self.calls.append((f"model {run.model}", run.reason))
            if run.model < self.models:
                self.runs.append(run)
        if len(self.runs) <= self.most:
            return
        said = "; ".join(f"on {which}: {reason}" for which, reason in self.calls[:SHOWN])
        if len(self.calls) > 1:
            said = f"on {len(self.runs)} of {self.models} models, more than {MOST_FAILED:.0%}: {said}"
        advice = "; --engine single runs one at a time" if self.together else ""
        raise SolutionError(
            f"{self.name} failed {said}. "
            f"The models that were finished are kept; mend the solution or run the same command to go on{advice}."
        )
