"""The cost is timed until it is decided, kept, and refined."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.metric.measured import Measured
from evaluation.populations import jobs
from evaluation.populations.runs import Pools
from evaluation.scoring import cost
from evaluation.scoring.cost import Turn
from starting_kit.errors import SolutionError


class Machine:
    """Workers whose clocks are made up: what a turn's unlearning takes, in seconds; a retraining takes ten.

    Attributes:
        models: of which an unlearning was timed.
        waited: seconds that have passed.
    """

    def __init__(self, monkeypatch, unlearnings, seconds_of_a_turn=0.1, name="a kind"):
        self.models, self.waited, self.name, self.counted = [], 0.0, name, 0
        self.unlearnings, self.seconds_of_a_turn = iter(unlearnings), seconds_of_a_turn
        monkeypatch.setattr(cost.time, "monotonic", lambda: self.waited)

    def run(self, job, *arguments, limit=None):
        if job is jobs.time_unlearning:
            self.models.append(arguments[1])
            self.waited += self.seconds_of_a_turn
            return next(self.unlearnings)
        if job is jobs.operations_of_unlearning:
            self.counted += 1
        made_up = {
            jobs.time_retraining: 10.0,
            jobs.kind_of_machine: self.name,
            jobs.operations_of_unlearning: Measured(3),
            jobs.operations_of_retraining: Measured(12),
        }
        return made_up[job]


def measure(tmp_path, machine, models=16):
    population = SimpleNamespace(
        folder=tmp_path / "unlearned", device="cpu", task=SimpleNamespace(network="net"), made_by=None, original=None
    )
    said = []
    found = cost.measure_cost(population, population, Pools(machine, machine), models, said.append)
    return found, said


def noisy(seed, share, spread):
    """Seconds of unlearnings that cost a share of ten seconds."""
    rng = np.random.default_rng(seed)
    while True:
        yield float(10 * share * np.exp(rng.normal(scale=spread)))


def turns_of(ratios):
    return [Turn(float(ratio), 1.0) for ratio in ratios]


def test_a_clear_cost_is_timed_few_times_and_one_near_the_limit_often(tmp_path, monkeypatch):
    clear, _ = measure(tmp_path / "clear", Machine(monkeypatch, noisy(0, 0.02, 0.1)))
    dear, _ = measure(tmp_path / "dear", Machine(monkeypatch, noisy(0, 0.6, 0.1)))
    near, _ = measure(tmp_path / "near", Machine(monkeypatch, noisy(0, 0.2, 0.1)))
    assert (clear.turns, clear.within_limit) == (cost.ENOUGH, Measured(True))
    assert (dear.turns, dear.within_limit) == (cost.ENOUGH, Measured(False))
    assert near.turns > 2 * cost.ENOUGH
    low, high = near.interval.value
    assert low <= 0.2 < high
    assert max(high / near.share, near.share / low) <= 1.05
    assert near.within_limit.value is None
    assert near.within_limit.reason.startswith("undecided: the interval of the cost contains 20%")


def test_timing_ends_when_its_time_is_spent_and_a_later_run_goes_on(tmp_path, monkeypatch):
    seconds = noisy(1, 0.2, 0.3)
    first = Machine(monkeypatch, seconds, seconds_of_a_turn=1.0)
    found, _ = measure(tmp_path, first, models=4)
    assert first.waited == cost.BUDGET
    assert (found.turns, first.models) == (5, [0, 1, 2, 3, 0])
    second = Machine(monkeypatch, seconds, seconds_of_a_turn=1.0)
    again, said = measure(tmp_path, second, models=4)
    assert (again.turns, second.models, said) == (10, [1, 2, 3, 0, 1], [])
    assert np.diff(np.log(again.interval.value)) < np.diff(np.log(found.interval.value))
    assert (first.counted, second.counted, again.operations) == (1, 0, Measured(0.25))


def test_what_is_decided_is_not_timed_again(tmp_path, monkeypatch):
    found, _ = measure(tmp_path, Machine(monkeypatch, noisy(0, 0.02, 0.1)))
    second = Machine(monkeypatch, [])
    assert measure(tmp_path, second) == (found, [])
    assert second.models == []


def test_where_a_turn_takes_very_long_one_is_enough_and_there_is_no_interval(tmp_path, monkeypatch):
    shares = []
    for turns in (1, 2, 3):
        found, _ = measure(tmp_path, Machine(monkeypatch, [1.0 + turns], seconds_of_a_turn=100.0))
        shares.append((found.turns, round(found.share, 6), found.within_limit, found.interval.value is None))
    limit = Measured(True)
    assert shares[:2] == [(1, 0.2, limit, True), (2, round(0.06**0.5, 6), Measured(False), True)]
    assert (shares[2][0], shares[2][3]) == (3, False)
    slower = Machine(monkeypatch, [2.0, 2.0, 2.0], seconds_of_a_turn=12.0)
    assert measure(tmp_path / "slower", slower)[0].turns == 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"machine": "a kind", "turns": [{"unlearning": 0, "retraining": 1}]}'])
def test_a_damaged_file_is_reported_and_made_again(tmp_path, monkeypatch, text):
    before, _ = measure(tmp_path, Machine(monkeypatch, noisy(0, 0.02, 0.1)))
    path = tmp_path / "unlearned" / "cost.json"
    good = path.read_text()
    path.write_text(text)
    found, said = measure(tmp_path, Machine(monkeypatch, noisy(0, 0.02, 0.1)))
    assert (found, said) == (before, [f"{path} is damaged; the cost is timed again."])
    assert path.read_text() == good
    assert [other.name for other in path.parent.iterdir()] == ["cost.json"]


def test_turns_of_another_kind_of_machine_do_not_count(tmp_path, monkeypatch):
    measure(tmp_path, Machine(monkeypatch, noisy(0, 0.5, 0.1)))
    found, said = measure(tmp_path, Machine(monkeypatch, noisy(0, 0.05, 0.1), name="another"))
    assert found.within_limit.value
    assert found.turns == cost.ENOUGH
    assert said == ["The cost was timed on another kind of machine (a kind), and is timed again."]
    kept = json.loads((tmp_path / "unlearned" / "cost.json").read_text())
    assert (kept["machine"], len(kept["turns"])) == ("another", cost.ENOUGH)


def test_turns_before_a_failure_are_kept(tmp_path, monkeypatch):
    def failing():
        yield from (0.5, 0.5)
        raise SolutionError("no luck")

    with pytest.raises(SolutionError, match="no luck"):
        measure(tmp_path, Machine(monkeypatch, failing()))
    second = Machine(monkeypatch, noisy(0, 0.05, 0.1))
    assert measure(tmp_path, second)[0].turns == cost.ENOUGH
    assert second.models == [2, 3, 4, 5]


def test_an_estimate_takes_the_turns_that_it_is_asked_for_and_keeps_nothing(tmp_path, monkeypatch):
    machine, retrained = Machine(monkeypatch, [1.0, 2.0, 4.0]), SimpleNamespace(made_by=None, original=None)
    assert cost.estimate_cost(retrained, retrained, Pools(machine, machine), 3) == pytest.approx(0.2)
    slow = Machine(monkeypatch, [1.0], seconds_of_a_turn=100.0)
    assert cost.estimate_cost(retrained, retrained, Pools(slow, slow), 3) == pytest.approx(0.1)
    assert not list(tmp_path.iterdir())


def test_the_interval_is_the_one_that_the_signed_rank_test_does_not_reject():
    """Against scipy's exact test, which rejects a ratio just outside and does not just inside."""
    wilcoxon = pytest.importorskip("scipy.stats").wilcoxon
    for count in (6, 7, 10, 20):
        ratios = np.exp(np.random.default_rng(count).normal(size=count))
        for end, outwards in zip(cost.interval(turns_of(ratios)).value, (-1e-6, 1e-6), strict=True):
            inside, outside = (wilcoxon(np.log(ratios / end) + sign * outwards, method="exact").pvalue for sign in (1, -1))
            assert outside <= 0.05 < inside


def clean(rng, turns):
    return np.exp(rng.normal(scale=0.05, size=turns))


def interrupted(rng, turns):
    """Both are slowed down, and one in ten much."""

    def slower():
        return 1 + rng.exponential(0.05, turns) + (rng.random(turns) < 0.1) * rng.exponential(0.5, turns)

    return slower() / slower()


def drifting(rng, turns):
    """A neighbour comes and goes, for the two of a turn alike."""
    neighbour = 1 + 0.5 * (rng.normal(size=turns).cumsum() > 0)
    return neighbour * (1 + rng.exponential(0.1, turns)) / (neighbour * (1 + rng.exponential(0.1, turns)))


@pytest.mark.parametrize("noise", [clean, interrupted, drifting])
@pytest.mark.parametrize("share", [0.05, 0.18, 0.22])
def test_intervals_of_costs_that_are_timed_until_they_are_decided_cover(noise, share):
    """Intervals of 95 % by name, by two standard errors at least 92 of 100 here, although timing stops when it suits."""
    rng = np.random.default_rng(0)
    covered = wrong = 0
    for _ in range(400):
        turns = turns_of(share * noise(rng, 40))
        count = next((n for n in range(1, 40) if not cost.wants_more(turns[:n], spent=0.0)), 40)
        ends = cost.interval(turns[:count]).value
        assert ends is not None
        low, high = ends
        covered += low <= share <= high
        wrong += high <= 0.2 < share or share < 0.2 < low
    assert covered / 400 > 0.92
    assert wrong / 400 < 0.03


def test_one_turn_in_four_may_be_spoilt():
    ratios = [0.10, 0.11, 0.10, 0.09, 0.10, 0.11, 5.0, 9.0]
    assert cost.share(turns_of(ratios)) == pytest.approx(0.105, rel=0.05)
