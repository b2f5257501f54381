"""Runs that do not end as they should: each is one failed run with a reason, and nothing of it is left."""

import os
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hostile import HOSTILE

from evaluation.populations import jobs, keeper, runs, shards, weights
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Population
from evaluation.populations.runs import Pools
from starting_kit import contract, tasks
from starting_kit.errors import SolutionError
from starting_kit.networks import build
from starting_kit.tasks.task import ONE_AT_A_TIME

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not keeper.HAS_KEEPERS, reason="there are keepers on Linux only")]
TASK = tasks.find("digits")
HEAD = "import torch\n\ndef unlearning(net, a, b, c):\n"
Unlearned = Callable[[str], Population]


def indented(body: str) -> str:
    return "".join(f"    {line}\n" for line in body.splitlines())


@pytest.fixture
def unlearned(tmp_path: Path) -> Unlearned:
    """What a solution with this body makes of an untrained network."""
    original = Population(TASK, "original", 0, tmp_path / "runs", ONE_AT_A_TIME)
    weights.store(original, 0, build(TASK, seed=0).eval(), TASK.load())

    def of(body: str) -> Population:
        path = tmp_path / "mine.py"
        path.write_text(HEAD + indented(body))
        return original.unlearned_by(contract.describe(path, []), "tuple", ONE_AT_A_TIME)

    return of


@pytest.fixture(scope="module")
def trainers() -> Iterator[LocalProcesses]:
    with LocalProcesses(1, print, partial(jobs.get_ready, TASK)) as processes:
        yield processes


@pytest.fixture
def pools(trainers: LocalProcesses, tmp_path: Path) -> Iterator[Pools]:
    with LocalProcesses(1, print, partial(jobs.get_ready, TASK), tmp_path / "mine.py") as runners:
        runners.run(keeper.children, 0)  # it has started
        yield Pools(trainers, runners, time_limit=2)


def made(population: Population, models: int, pools: Pools) -> list[runs.FailedRun]:
    return shards.make(population, models, pools, lambda newly: None, print)


def processes_below_this() -> set[int]:
    found, waiting = set[int](), [os.getpid()]
    while waiting:
        below = keeper.children(waiting.pop())
        found |= set(below)
        waiting += below
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_one_failed_run_with_a_reason_and_nothing_is_left(name: str, unlearned: Unlearned, pools: Pools) -> None:
    body, reason = HOSTILE[name]
    before, start = processes_below_this(), time.monotonic()
    with pytest.raises(SolutionError) as caught:
        made(unlearned(body), 1, pools)
    assert time.monotonic() - start < 20
    assert re.match(f"mine failed on model 0: .*({reason})", str(caught.value)), caught.value
    assert processes_below_this() <= before
    assert pools.runners.run(abs, -1) == 1  # another worker has taken the place of one that ended


FAILS_AT_TIMES = """import os
seed = torch.initial_seed()
{bad} if seed in {seeds} else None
with torch.no_grad(): net[-1].bias += torch.randn(10)"""


def test_few_failed_runs_do_not_keep_others_from_being_made(unlearned: Unlearned, pools: Pools) -> None:
    seeds = {unlearned("pass").model_seed(model) for model in (3, 40)}
    population = unlearned(FAILS_AT_TIMES.format(bad="os._exit(9)", seeds=seeds))
    failed = made(population, 100, pools)
    assert [run.model for run in failed] == [3, 40]
    assert {run.reason for run in failed} == {"it ended its process, with exit code 9"}
    outputs = shards.load(population, 100, [3, 40])
    assert (outputs.models, outputs.failed, outputs.runs) == (98, 2, 100)
    assert sorted(shards.missing_models(population, 100, print).items()) == [(0, [3]), (2, [40])]


def test_more_than_two_percent_end_it_with_the_first_reasons(unlearned: Unlearned, pools: Pools) -> None:
    seeds = {unlearned("pass").model_seed(model) for model in (3, 7)}
    population = unlearned(FAILS_AT_TIMES.format(bad="1 / 0", seeds=seeds))
    with pytest.raises(SolutionError) as caught:
        made(population, 99, pools)
    assert re.match(
        r"mine failed on 2 of 99 models, more than 2%: on model 3: ZeroDivisionError: .*; on model 7: ZeroDivisionError: ",
        str(caught.value),
    )
    assert str(caught.value).endswith("are kept; mend the solution or run the same command to go on.")
    assert shards.missing_models(population, 3, print) == {}
