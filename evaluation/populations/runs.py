"""Models that a stranger's code makes: each call of it is a job of its own, which may fail, and others store what it gives."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

from evaluation.populations import jobs
from evaluation.populations.executors import Ended, LocalProcesses
from evaluation.populations.made import FailedRun, Made, Parcel, Start
from evaluation.populations.population import Population
from starting_kit.errors import RunError, SolutionError, WorkerDiedError
from starting_kit.files import read_intact

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
    calls, failures, remarks = list(_calls(population, missing)), _Failures(population, models), set[str]()
    wanted, limit = [(population, call) for _, call in calls], _limit(population, pools, [call for _, call in calls])
    with closing(pools.runners.as_they_end(jobs.run_solution, wanted, limit=limit, completed=with_start)) as batches:
        for ended in batches:
            made: dict[int, list[tuple[int, Parcel]]] = {}
            for each in ended:
                remarks |= _sort_in(made, *calls[each.number], failures.result_of(each, calls[each.number][1]))
            failures.add(_refused(population, made, pools) if made else [])
            on_finished(sum(len(set(call) & set(missing[shard])) for shard, call in (calls[each.number] for each in ended)))
            failures.require_few()
    for remark in sorted(remarks):
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
            path = original.weights_path(number)
            arrays = read_intact(path)
            if arrays is None:
                raise RunError(f"{path} is missing or damaged; run the same command to make it again.")
            start[number] = arrays
    return start


def _sort_in(made: dict[int, list[tuple[int, Parcel]]], shard: int, call: list[int], result: Made | None) -> set[str]:
    """Add what a call gave, if it did, by shard; and give its remarks."""
    if result is None:
        return set()
    made.setdefault(shard, []).extend(zip(call, result.models, strict=True))
    return set(result.remarks)


def _limit(population: Population, pools: Pools, calls: list[list[int]]) -> float | None:
    """Of a call. A solution's own trainer has none: nothing says how long training may take."""
    return None if population.trainer else pools.limit(max(map(len, calls), default=1))


def _refused(population: Population, made: dict[int, list[tuple[int, Parcel]]], pools: Pools) -> list[FailedRun]:
    """Have models stored, by shard, and give those that cannot be used."""
    shards = [(population, shard, of_shard) for shard, of_shard in made.items()]
    return [run for refused in pools.trainers.run_all(jobs.store_models, shards) for run in refused]


def _calls(population: Population, missing: dict[int, list[int]]) -> Iterator[tuple[int, list[int]]]:
    """The shard and the models of each call: in lockstep all of a shard, else one."""
    for shard, models in missing.items():
        if population.engine.kind == "single":
            yield from ((shard, [model]) for model in models)
        else:
            yield shard, list(population.models_of_shard(shard))


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
        """Add models that cannot be used."""
        for run in runs:
            self.calls.append((f"model {run.model}", run.reason))
            if run.model < self.models:
                self.runs.append(run)

    def require_few(self) -> None:
        """Go on only if few failed.

        Raises:
            SolutionError: more did.
        """
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
