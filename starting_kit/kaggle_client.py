"""The official Kaggle client, run as a command; what goes wrong becomes one sentence.

It is not imported: importing it logs in, and may call the network. Its exit code is not to be trusted: a push that was refused
ends with 0. (Read with kaggle 2.2.4.)
"""

import csv
import io
import re
import subprocess
import sys
from pathlib import Path

from starting_kit.errors import InputError, RunError


class UnreachableError(RunError):
    """Kaggle did not answer; what was asked for may or may not have been done."""


# What the client prints, and what it means; the first that is found counts.
COMPLAINTS: tuple[tuple[str, type[Exception], str], ...] = (
    (
        r"KAGGLE_API_TOKEN=|You need to authenticate|Unauthenticated|401",
        InputError,
        "Kaggle does not know you: make a token on https://www.kaggle.com/settings, and save it in ~/.kaggle/access_token or "
        "set KAGGLE_API_TOKEN.",
    ),
    (
        r"Max retries exceeded|Connection(?:Error| aborted|Reset)|Name or service not known|timed out|Expecting value: line 1",
        UnreachableError,
        "Kaggle cannot be reached; go on with --resume.",
    ),
    (r"Too many requests|429", UnreachableError, "Kaggle asks to wait, it got too many requests; go on later with --resume."),
    (r"Maximum batch GPU session count[^\n]*", RunError, "Your GPU sessions on Kaggle are used up ({}); wait until one ends."),
    (r"[^\n]*(?:quota|used all your submissions|submissions? limit)[^\n]*", RunError, "Your quota on Kaggle is used up ({})."),
    (
        r"[^\n]*(?:was denied|Forbidden|403)[^\n]*",
        RunError,
        "Kaggle refuses ({}): is the user's name right, and are the competition's rules accepted?",
    ),
)


def push(folder: Path, accelerator: str) -> int:
    """Push a notebook, which starts it; the number of the version that it got.

    Raises:
        InputError: no credentials.
        UnreachableError: Kaggle did not answer.
        RunError: Kaggle refused.
    """
    said = _run("kernels", "push", "-p", str(folder), "--accelerator", accelerator)
    if pushed := re.search(r"Kernel version (\d+) successfully pushed", said):
        return int(pushed[1])
    raise RunError(f"Kaggle did not take the notebook: {_last_line(said)}")


def status(kernel: str) -> tuple[str, str]:
    """How a notebook's last run stands, QUEUED, RUNNING, COMPLETE, ERROR, ..., and why it failed (errors as for `push`)."""
    said = _run("kernels", "status", kernel)
    if not (found := re.search(r'has status "(?:KernelWorkerStatus\.)?(\w+)"', said)):
        raise RunError(f"Kaggle does not say how {kernel} stands: {_last_line(said)}")
    message = re.search(r'Failure message: "(.*)"', said, re.DOTALL)
    return found[1], message[1] if message else ""


def output(kernel: str, folder: Path) -> None:
    """Fetch what a notebook wrote, and its log (errors as for `push`)."""
    folder.mkdir(parents=True, exist_ok=True)
    _run("kernels", "output", kernel, "-p", str(folder), "--force")


def submit(competition: str, kernel: str, version: int, file: str, message: str) -> None:
    """Submit a file that a version of a notebook wrote (errors as for `push`)."""
    said = _run("competitions", "submit", competition, "-k", kernel, "-v", str(version), "-f", file, "-m", message)
    if "uccess" not in said:
        raise RunError(f"Kaggle did not take the submission: {_last_line(said)}")


def submissions(competition: str) -> list[dict[str, str]]:
    """What you have submitted, newest first (errors as for `push`).

    Keys are the client's: fileName, date, description, status, publicScore, privateScore.
    """
    said = _run("competitions", "submissions", competition, "--csv")
    start = said.find("fileName,")
    return list(csv.DictReader(io.StringIO(said[start:]))) if start >= 0 else []


def _run(*arguments: str) -> str:
    """What the client prints."""
    client = Path(sys.executable).with_name("kaggle")
    if not client.exists():
        raise InputError("The kaggle client is not installed; run make, or pip install kaggle==2.2.4 six.")
    run = subprocess.run([client, *arguments], capture_output=True, text=True)
    said = run.stdout + run.stderr
    refused = re.search(r"Kernel push error: ([^\n]*)", said)
    if run.returncode or refused:
        for pattern, kind, sentence in COMPLAINTS:
            if found := re.search(pattern, said, re.IGNORECASE):
                raise kind(sentence.format(found[0].strip().removeprefix("Kernel push error: ").rstrip(".")))
        raise RunError(f"Kaggle refuses: {refused[1] if refused else _last_line(said)}")
    return said


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
