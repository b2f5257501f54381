"""What all commands do alike."""

import importlib
import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from conftest import PROJECT
from evaluation.shell import run_command
from evaluation.streams import lossy_streams
from starting_kit.errors import InputError, RunError


@pytest.mark.parametrize(
    "file",
    [
        "evaluation/check.py",
        "evaluation/score.py",
        "evaluation/tune.py",
        "evaluation/leaderboard.py",
        "evaluation/catalogue.py",
        "submit.py",
    ],
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


@pytest.mark.parametrize("command", ["check", "score", "tune", "leaderboard", "catalogue", "submit"])
def test_an_option_that_is_cut_short_is_refused(capsys, command):
    main = importlib.import_module(f"evaluation.{command}").main
    option = {"leaderboard": "--resul", "catalogue": "--markdow"}.get(command, "--solutio")
    with pytest.raises(SystemExit) as refused:
        main([option, "finetune"])
    assert refused.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_a_name_that_is_too_long_for_a_path_is_a_sentence(capsys, tmp_path):
    long = tmp_path / ("a" * 300)
    assert run_command(lambda: long.write_text("")) == 2
    assert capsys.readouterr().err == f"error: {long} is too long for a path.\n"


def test_a_reader_that_goes_away_does_not_end_the_work(monkeypatch):
    reading, writing = os.pipe()
    done = []

    def work():
        print("first", flush=True)
        os.close(reading)
        for _ in range(3):
            print("x" * 100_000)
            done.append(1)
        raise RunError("it failed")

    with os.fdopen(writing, "w") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert run_command(work) == 1
        assert sys.stdout is stream
    assert len(done) == 3


def test_what_waits_in_a_buffer_when_the_reader_is_gone_is_no_error(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        with lossy_streams():
            print("a line")
            os.close(reading)
        print("another")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&-", "| true", "2>&1 | true"])
def test_closed_streams_end_quietly_with_the_exit_code_of_the_work(tmp_path, closed):
    """What is closed is neither missed nor mistaken for the next file that is opened, here or in a process that is started."""
    program = """
import os, subprocess, sys
from rich.console import Console
from evaluation.shell import run_command
from starting_kit.errors import RunError

def work():
    with open("kept", "w") as file:
        Console().print("a panel")
        print("x" * 100_000)
        print("an error", file=sys.stderr)
        subprocess.run([sys.executable, "-c", "import os; os.fstat(1), os.fstat(2); os.write(1, b'y')"], check=True)
        file.write("as it was written")
    raise RunError("it failed")

sys.exit(run_command(work))
"""
    script = f'"$PYTHON" -c "$PROGRAM" {closed}; echo "${{PIPESTATUS[0]}}" > code'
    environment = {**os.environ, "PYTHON": sys.executable, "PROGRAM": program, "PYTHONPATH": str(PROJECT)}
    run = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (tmp_path / "code").read_text() == "1\n"
    assert (tmp_path / "kept").read_text() == "as it was written"
    assert "Traceback" not in run.stderr
    assert "BrokenPipe" not in run.stderr
