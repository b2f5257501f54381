"""What an unlearning costs, as a share of a retraining: timed by turns, kept, and refined by later runs.

The cost decides who is ranked, and a timing is noisy. So turns of one unlearning and one retraining are timed, while nothing
else runs, until the 95 % interval of the ratio is on one side of the limit or narrow, or the time for it is spent.

The interval is about the logarithms of the ratios, turn by turn: what slows both down cancels. From six turns on it is that of
the Wilcoxon signed-rank test around the Hodges-Lehmann estimate, the median of all means of two (Hodges, Lehmann 1963), which
one turn in four may spoil; below, it is Student's. Timed until it is decided it still covers (docs/statistics.md).
"""

import time
from collections.abc import Callable, Sequence
from functools import cache
from math import exp
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from evaluation.metric.measured import Interval, Measured
from evaluation.populations import jobs
from evaluation.populations.population import Population
from evaluation.populations.runs import Pools, start_of
from evaluation.scoring.scorecard import COST_LIMIT
from starting_kit.errors import WorkerDiedError
from starting_kit.files import write_json

BUDGET = 5.0  # seconds of timing in one run: a second solution is scored in some 15
LONG_TIMING = 30.0  # seconds, after which even the fewest turns are not waited for: the next run goes on
FEWEST = 3  # turns with an interval
ENOUGH = 6  # turns, from which on the Wilcoxon test can reject at 5 %
PRECISE = 0.05  # an interval that reaches no further from the cost, relative to it, is narrow enough
STUDENT = {3: 4.303, 4: 3.182, 5: 2.776}  # 97.5 % quantiles of Student's t by number of turns, for one degree of freedom less
TIMED_CALLS = 3  # times the limit of a call: one is timed after one that warms up
COUNTED_CALLS = 20  # times that limit, as long as counting may take
TIMED_RUNS = 3  # turns of an estimate that is not kept
UNDECIDED = f"undecided: the interval of the cost contains {COST_LIMIT:.0%}; the same command times it further"

Vector = NDArray[np.float64]
Seconds = Annotated[float, Meta(gt=0)]


class Turn(Struct, frozen=True):
    """Seconds of one unlearning and of one retraining after it."""

    unlearning: Seconds
    retraining: Seconds


class Kept(Struct, frozen=True):
    """What was measured so far, as it is kept.

    Attributes:
        machine: the kind of machine that the turns were timed on.
        turns: in their order.
        operations: of an unlearning over those of a retraining.
    """

    machine: str
    turns: tuple[Turn, ...]
    operations: Measured[float]


class Cost(NamedTuple):
    """What an unlearning costs.

    Attributes:
        share: time of an unlearning over time of a retraining.
        interval: of 95 %.
        turns: that were timed.
        operations: of an unlearning over those of a retraining.
    """

    share: float
    interval: Measured[Interval]
    turns: int
    operations: Measured[float]

    @property
    def within_limit(self) -> Measured[bool]:
        """Whether the competition would have accepted it; where there is no interval, as far as the cost says."""
        if self.interval.value is None:
            return Measured(self.share <= COST_LIMIT)
        low, high = self.interval.value
        return Measured(reason=UNDECIDED) if low <= COST_LIMIT < high else Measured(high <= COST_LIMIT)


def measure_cost(
    unlearned: Population,
    retrained: Population,
    pools: Pools,
    models: int,
    notice: Callable[[str], None],
) -> Cost:
    """The cost by the turns that are kept with the unlearned population, and by more as long as it is undecided.

    Args:
        unlearned: the population that the solution makes.
        retrained: what it is compared with.
        pools: train networks and run the solution, and have nothing else to do meanwhile.
        models: how many unlearned models there are; they are timed one after another.
        notice: called with a sentence for the user.

    Raises:
        RunError: the file cannot be written.
        SolutionError: the solution failed.
        WorkerDiedError: it ended its process, or took too long.
    """
    path = unlearned.folder / "cost.json"
    machine = pools.trainers.run(jobs.kind_of_machine, retrained.device)
    kept = _read(path, notice)
    if kept is None:
        kept = Kept(machine, (), _operations(unlearned, retrained, pools))
    elif kept.machine != machine:
        notice(f"The cost was timed on another kind of machine ({kept.machine}), and is timed again.")
        kept = Kept(machine, (), kept.operations)
    start = time.monotonic()  # workers have started, and operations are counted
    while wants_more(kept.turns, time.monotonic() - start):
        turn = _time_turn(unlearned, retrained, pools, len(kept.turns) % models)
        kept = Kept(machine, (*kept.turns, turn), kept.operations)
        write_json(path, msgspec.to_builtins(kept))
    return Cost(share(kept.turns), interval(kept.turns), len(kept.turns), kept.operations)


def estimate_cost(unlearned: Population, retrained: Population, pools: Pools, runs: int) -> float:
    """The cost by so many turns, or fewer if they take longer than `LONG_TIMING`; nothing is kept.

    Raises:
        SolutionError: the solution failed.
    """
    start, turns = time.monotonic(), list[Turn]()
    while not turns or (len(turns) < runs and time.monotonic() - start < LONG_TIMING):
        turns.append(_time_turn(unlearned, retrained, pools, len(turns)))
    return share(turns)


def wants_more(turns: Sequence[Turn], spent: float) -> bool:
    """Whether another turn is worth its time.

    Args:
        turns: so far, those of earlier runs included.
        spent: seconds of timing in this run.
    """
    if len(turns) < FEWEST:
        return not turns or spent < LONG_TIMING
    return spent < BUDGET and (len(turns) < ENOUGH or not is_decided(share(turns), interval(turns).value))


def is_decided(cost: float, bounds: Interval | None) -> bool:
    """Whether an interval is on one side of the limit, or reaches at most `PRECISE` from the cost."""
    if bounds is None:
        return False
    low, high = bounds
    return high <= COST_LIMIT or low > COST_LIMIT or max(high / cost, cost / low) <= 1 + PRECISE


def share(turns: Sequence[Turn]) -> float:
    """The typical ratio of an unlearning's time to a retraining's: the Hodges-Lehmann estimate of its logarithm."""
    return exp(float(np.median(_means_of_two(_ratios(turns)))))


def interval(turns: Sequence[Turn]) -> Measured[Interval]:
    """The 95 % interval of the typical ratio; of fewer turns than three there is none."""
    count, ratios = len(turns), _ratios(turns)
    if count < FEWEST:
        return Measured(reason=f"of {FEWEST} turns that are needed {count} took {LONG_TIMING:.0f} s; the same command goes on")
    if count < ENOUGH:
        middle, reach = float(ratios.mean()), STUDENT[count] * float(ratios.std(ddof=1)) / count**0.5
        return Measured((exp(middle - reach), exp(middle + reach)))
    means, outside = _means_of_two(ratios), _outside(count)
    return Measured((exp(float(means[outside])), exp(float(means[-1 - outside]))))


def _ratios(turns: Sequence[Turn]) -> Vector:
    """Logarithms, [turns]."""
    return np.log([turn.unlearning / turn.retraining for turn in turns])


def _means_of_two(ratios: Vector) -> Vector:
    """The mean of each with itself and with each other, in order of size."""
    one, other = np.triu_indices(len(ratios))
    return np.sort((ratios[one] + ratios[other]) / 2)


@cache
def _outside(count: int) -> int:
    """How many means of two lie on each side of the interval: the largest rank sum that at most 2.5 % of samples stay below."""
    chances = np.ones(1)  # of each sum of the ranks of positive values
    for rank in range(1, count + 1):
        more = np.zeros(len(chances) + rank)
        more[: len(chances)] += chances / 2
        more[rank:] += chances / 2
        chances = more
    return int((chances.cumsum() <= 0.025).sum()) - 1


def _time_turn(unlearned: Population, retrained: Population, pools: Pools, model: int) -> Turn:
    unlearning = pools.runners.run(
        jobs.time_unlearning, unlearned, model, start_of(unlearned, [model]), limit=pools.limit(TIMED_CALLS)
    )
    return Turn(max(unlearning, 1e-9), pools.that_make(retrained).run(jobs.time_retraining, retrained, model))


def _operations(unlearned: Population, retrained: Population, pools: Pools) -> Measured[float]:
    whole = pools.trainers.run(jobs.operations_of_retraining, retrained)
    counted = _operations_of_unlearning(unlearned, pools) if whole.value else whole
    if whole.value == 0:
        return Measured(reason=f"a retraining of {retrained.task.network} has no operations that are counted")
    if counted.value is None or whole.value is None:
        return Measured(reason=counted.reason)
    return Measured(counted.value / whole.value)


def _operations_of_unlearning(unlearned: Population, pools: Pools) -> Measured[int]:
    limit = pools.limit(COUNTED_CALLS)
    try:
        return pools.runners.run(jobs.operations_of_unlearning, unlearned, start_of(unlearned, [0]), limit=limit)
    except WorkerDiedError as error:
        return Measured(reason=f"the solution fails while its operations are counted: {error.__cause__}")


def _read(path: Path, notice: Callable[[str], None]) -> Kept | None:
    """What is kept; None where nothing is, or the file is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):
        notice(f"{path} is damaged; the cost is timed again.")
        return None
