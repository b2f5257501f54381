import os
import signal
import threading
import time
from contextlib import closing

import pytest

from evaluation.populations.executors import LocalProcesses
from evaluation.populations.serving import report_finished, stop_requested
from evaluation.populations.workers import WORKER_ENVIRONMENT, worker_environment
from starting_kit.errors import InputError, RunError


def environment_of_worker(seconds):
    time.sleep(seconds)
    return os.getpid(), {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}, signal.getsignal(signal.SIGINT).name


def square(number):
    report_finished(1)
    return number**2


def fail_at(number, bad):
    if number == bad:
        raise InputError(f"number {number}")
    for _ in range(1000):
        if stop_requested():
            report_finished(1)
            return
        time.sleep(0.1)


def end(number):
    os._exit(number)


@pytest.fixture
def executor():
    with LocalProcesses(2, print) as processes:
        yield processes


def test_results_come_in_the_order_of_the_jobs_and_are_counted(executor):
    finished = []
    assert executor.run_all(square, [(number,) for number in range(20)], finished.append) == [n**2 for n in range(20)]
    assert sum(finished) == 20


def test_every_worker_has_one_thread_and_ignores_ctrl_c(executor):
    before = dict(os.environ)
    executor.run(square, 1)  # starts the first worker; the second starts with the next jobs
    workers = executor.run_all(environment_of_worker, [(0.5,)] * 4, print)
    assert len({pid for pid, _, _ in workers}) == 2
    for _, variables, handler in workers:
        assert variables == WORKER_ENVIRONMENT
        assert handler == "SIG_IGN"
    assert dict(os.environ) == before


def test_jobs_among_others_would_mix_up_what_they_give(executor):
    with closing(executor.as_they_end(square, [(1,), (2,), (3,)])) as batches:
        next(batches)
        with pytest.raises(RuntimeError, match="at work"):
            executor.run(square, 4)
    assert executor.run(square, 4) == 16


@pytest.fixture
def hears_ctrl_c():
    """This process does, which one that a shell has started in the background does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be made to wait here")
def test_ctrl_c_while_workers_start_is_heard_afterwards(hears_ctrl_c):
    finished = False
    with pytest.raises(KeyboardInterrupt), worker_environment():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # another thread would take it at any time
        finished = True
    assert finished


def test_workers_do_not_inherit_what_may_be_secret(monkeypatch):
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    with LocalProcesses(1, print) as processes:
        assert processes.run(os.getenv, "KAGGLE_KEY") is None
        assert processes.run(os.getenv, "ONEDNN_MAX_CPU_ISA") == "SSE41"
        assert processes.run(os.getenv, "PATH") == os.environ["PATH"]
    assert os.environ["KAGGLE_KEY"] == "secret"


def test_the_first_error_stops_the_others_and_comes_back(executor):
    start, finished = time.monotonic(), []
    with pytest.raises(InputError, match="number 1"):
        executor.run_all(fail_at, [(number, 1) for number in range(6)], finished.append)
    assert time.monotonic() - start < 60  # and not the 100 seconds that each of the others would take
    assert executor.run(square, 3) == 9  # the pool goes on


def test_a_worker_that_dies_is_an_error(executor):
    with pytest.raises(RunError, match=r"A worker process failed: it ended its process, with exit code 3\. What was"):
        executor.run(end, 3)
    assert executor.run(square, 3) == 9  # another has taken its place
