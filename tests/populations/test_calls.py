"""What surrounds a call decides which population it makes, and what its user is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation.populations import timing, weights, worker
from evaluation.populations.population import Population
from starting_kit import contract, tasks
from starting_kit.errors import SolutionError
from starting_kit.networks import build
from starting_kit.tasks.task import ONE_AT_A_TIME

TASK = tasks.find("digits")
Unlearned = Callable[[str], Population]


@pytest.fixture
def unlearned(tmp_path: Path) -> Unlearned:
    """What a solution of this text makes of an untrained network."""
    original = Population(TASK, "original", 0, tmp_path / "runs", ONE_AT_A_TIME)
    weights.store(original, 0, build(TASK, seed=0).eval(), TASK.load())

    def of(text: str) -> Population:
        path = tmp_path / "mine.py"
        path.write_text(text)
        return original.unlearned_by(contract.describe(path, []), "tuple", ONE_AT_A_TIME)

    return of


HEAD = "import torch\ndef unlearning(net, a, b, c):\n    "


def test_a_population_is_named_by_files_and_draws_where_there_are_any(unlearned: Unlearned, tmp_path: Path) -> None:
    plain = unlearned(f"{HEAD}pass").identity()
    assert not {"files", "draws_when_loaded"} & plain.keys()
    (tmp_path / "weights.pt").write_bytes(b"1")
    reading = f"{HEAD}open('weights.pt')"
    first = unlearned(reading)
    assert first.identity()["files"].keys() == {"weights.pt"}
    (tmp_path / "weights.pt").write_bytes(b"2")
    assert unlearned(reading).key != first.key
    assert unlearned(f"{HEAD}pass\ntorch.manual_seed(0)").identity()["draws_when_loaded"] == "apart"


def test_what_was_taken_off_a_network_is_told_once(unlearned: Unlearned) -> None:
    made = worker.run_solution(unlearned(f"{HEAD}return torch.nn.DataParallel(net)"), [0])
    assert made.remarks == ["unlearning returned its network in DataParallel; what is scored is the network inside"]
    assert worker.run_solution(unlearned(f"{HEAD}return net"), [0]).remarks == []


def test_what_no_checkpoint_holds_is_told(unlearned: Unlearned) -> None:
    (remark,) = worker.run_solution(unlearned(f"{HEAD}net[1].register_forward_hook(lambda *given: None)"), [0]).remarks
    assert remark.startswith("unlearning changed layer '1' (Conv2d's forward hooks), which is scored as it is")


def test_models_do_not_see_what_others_have_written(unlearned: Unlearned, tmp_path: Path) -> None:
    text = f"{HEAD}assert not __import__('os').path.exists('best.pt')\n    torch.save(net.state_dict(), 'best.pt')"
    for model in range(2):
        worker.run_solution(unlearned(text), [model])
    assert not list(tmp_path.rglob("best.pt"))


def test_a_first_call_that_takes_long_is_not_waited_for_before_one_is_timed(
    unlearned: Unlearned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "WARM_UP", 0.2)
    from_now = f"{HEAD}import time; end = time.process_time() + 0.5"
    seconds = timing.time_unlearning(unlearned(f"{from_now}\n    while time.process_time() < end: pass"), 0)
    assert seconds >= 0.5
    with pytest.raises(SolutionError, match="ValueError"):
        timing.time_unlearning(unlearned(f"{HEAD}raise ValueError"), 0)


def test_what_the_kit_does_around_a_call_costs_nothing(unlearned: Unlearned, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 15.0])  # before and after the call that counts, and never else
    monkeypatch.setattr(timing, "clock", lambda device: lambda: next(clock))
    assert timing.time_unlearning(unlearned(f"{HEAD}pass"), 0) == 5


def test_waiting_costs_nothing_and_the_work_of_other_processes_does(unlearned: Unlearned) -> None:
    assert timing.time_unlearning(unlearned(f"{HEAD}__import__('time').sleep(0.5)"), 0) < 0.25
    work = "import time\nwhile time.process_time() < 0.5: pass"
    process = f"{HEAD}import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    assert timing.time_unlearning(unlearned(process), 0) > 0.4
