"""What all commands do alike."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from conftest import PROJECT
from evaluation.shell import run_command
from starting_kit.errors import InputError, RunError


@pytest.mark.parametrize(
    "file", ["evaluation/score.py", "evaluation/tune.py", "evaluation/leaderboard.py", "evaluation/catalogue.py", "submit.py"]
)
def test_a_command_is_a_file_that_runs_from_anywhere(tmp_path, file):
    command = [sys.executable, str(PROJECT / file), "--help"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert f"usage: {file.rpartition('/')[2]}" in run.stdout
    assert "examples:\n    python" in run.stdout


def ends(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (InputError("[bold]this is wrong[/]"), 2, "error: [bold]this is wrong[/]\n"),
        (RunError("it failed"), 1, "error: it failed\n"),
        (KeyboardInterrupt(), 130, "Stopped. What was finished is kept; run the same command to go on.\n"),
    ],
)
def test_an_error_is_a_sentence_and_an_exit_code(capsys, error, code, sentence):
    assert run_command(ends(error)) == code
    assert capsys.readouterr() == ("", sentence)
    assert run_command(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


def test_other_errors_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)


def test_the_signal_to_terminate_interrupts_the_work_and_means_afterwards_what_it_meant():
    before = signal.getsignal(signal.SIGTERM)
    assert run_command(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 130
    assert signal.getsignal(signal.SIGTERM) is before
    with suppress(ZeroDivisionError):
        run_command(lambda: 1 / 0)
    assert signal.getsignal(signal.SIGTERM) is before
