"""A dry call finds out which kit's batches a solution reads, on all batches and within seconds."""

import importlib
import sys
import time
from pathlib import Path

import pytest

from folders import DATA, TASK, Write, write_files  # noqa: F401  # a fixture
from starting_kit import contract, dry_calls
from starting_kit.errors import SolutionError
from starting_kit.networks import build
from starting_kit.time_limit import TimeUpError, endable, time_limit


def found(write: Write, text: str) -> str:
    return dry_calls.find_batches(contract.describe(write(text), []), build(TASK, seed=0), TASK, DATA)


def test_a_dry_call_has_as_many_batches_as_the_loaders(write: Write) -> None:
    lengths = [-(-len(ids) // TASK.loader_batch_size) for ids in (DATA.retain, DATA.forget, DATA.validation)]
    text = f"""
        def unlearning(net, a, b, c):
            assert [len(loader) for loader in (a, b, c)] == {lengths}
            assert [sum(1 for batch in loader) for loader in (a, b, c)] == {lengths}
            every = len(a) // 2 - 1
            for i, (x, y) in enumerate(a): i % every
    """
    assert found(write, text) == "tuple"


@pytest.mark.parametrize(("reads", "batches"), [("x, y = batch", "tuple"), ("x = batch['image']", "dict")])
def test_one_that_goes_on_has_read_the_right_batches(
    write: Write, monkeypatch: pytest.MonkeyPatch, reads: str, batches: str
) -> None:
    monkeypatch.setattr(dry_calls, "DRY_CALL", 0.2)
    text = f"""
        import time
        def unlearning(net, a, b, c):
            time.sleep(0.5)  # longer than a dry call, without having read anything
            for batch in a:
                {reads}
            while True:
                try: time.sleep(100)
                except Exception: pass
    """
    assert found(write, text) == batches


def test_one_that_reads_nothing_is_ended_later(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_calls, "DRY_CALL", 0.05)
    monkeypatch.setattr(dry_calls, "LONGEST_DRY_CALL", 0.3)
    start = time.monotonic()
    assert found(write, "import time\ndef unlearning(net, a, b, c): time.sleep(100)") == "tuple"
    assert time.monotonic() - start > 0.3


FURTHER = {
    "more batches": ("for i, (x, y) in enumerate(a): assert i < 1, 'second'", "tuple batches: AssertionError: second"),
    "a later line": (
        "for batch in a:\n        x = batch['image']\n        raise KeyError('late')",
        "dict batches: KeyError: 'late'",
    ),
    "no complaint about the format": ("for batch in a: batch['image'], net.fc", "dict batches: AttributeError: .*'fc'"),
    "no complaint, either": ("for x, y in a: net.fc(x)", "tuple batches: AttributeError: .*'fc'"),
}


@pytest.mark.parametrize(("body", "message"), FURTHER.values(), ids=FURTHER)
def test_of_two_failures_the_one_that_came_further_is_shown(write: Write, body: str, message: str) -> None:
    with pytest.raises(SolutionError, match=f"^mine fails in a dry call with {message}") as caught:
        found(write, f"def unlearning(net, a, b, c):\n    {body}")
    assert str(caught.value).count("batches:") == 1


def test_a_time_limit_ends_what_handles_exceptions_and_lets_what_surrounds_the_call_finish() -> None:
    caught = []

    def stubborn() -> None:
        while True:
            try:
                time.sleep(10)
            except BaseException as error:
                caught.append(error)
                if len(caught) == 2:
                    raise

    start = time.monotonic()
    with pytest.raises(TimeUpError), time_limit(0.05):
        time.sleep(0.2)
        try:
            endable(stubborn)
        finally:
            time.sleep(0.2)
    assert len(caught) == 2
    assert time.monotonic() - start > 0.4


def test_an_import_in_a_call_is_finished_before_the_call_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "takes_long_to_load.py").write_text("import time\ntime.sleep(0.3)\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)

    def importing() -> None:
        importlib.import_module("takes_long_to_load")
        time.sleep(10)

    with pytest.raises(TimeUpError), time_limit(0.1):
        endable(importing)
    assert sys.modules.pop("takes_long_to_load").whole
