"""The official Kaggle client, run as a command; whatever goes wrong becomes one sentence.

It is not imported, because importing it logs in and may call the network. Its exit code is not to be trusted: a push that was
refused ends with 0. (As of kaggle 2.2.4.)
"""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from starting_kit.errors import InputError, RunError
from starting_kit.extras import missing


class UnreachableError(RunError):
    """Kaggle did not answer; what was asked for may or may not have been done."""


class RefusedError(RunError):
    """Kaggle refused; what was asked for was not done."""


REQUEST_SECONDS = 120.0  # after which a server that says nothing counts as unreachable
TRANSFER_SECONDS = 1800.0  # the same for fetching a notebook's output


# What the client prints, and what it means; the first match counts.
COMPLAINTS: tuple[tuple[str, type[Exception], str], ...] = (
    (
        r"KAGGLE_API_TOKEN=|You need to authenticate|Unauthenticated|401 Client Error",
        InputError,
        "Kaggle does not know you: make a token on https://www.kaggle.com/settings, and save it in ~/.kaggle/access_token or "
        "set KAGGLE_API_TOKEN.",
    ),
    (
        r"Max retries exceeded|Connection(?: aborted|Error|Reset)|Name or service not known|timed out|Expecting value: line 1",
        UnreachableError,
        "Kaggle cannot be reached, or does not answer; go on with --resume.",
    ),
    (
        r"Internal|Bad Gateway|Service Unavailable|Gateway Time|5\d\d Server Error",
        UnreachableError,
        "Kaggle has trouble of its own; go on later with --resume.",
    ),
    (
        r"Too many requests|429 Client Error",
        UnreachableError,
        "Kaggle got too many requests and asks to wait; go on later with --resume.",
    ),
    (
        r"Maximum batch GPU session count[^\n]*",
        RefusedError,
        "Your GPU sessions on Kaggle are in use ({}); wait until one ends, then go on with --resume.",
    ),
    (
        r"[^\n]*(?:quota|used all your submissions|submissions? limit)[^\n]*",
        RefusedError,
        "Your quota on Kaggle is used up ({}); go on with --resume when there is a new one.",
    ),
    (
        r"[^\n]*(?:was denied|Forbidden|403 Client Error)[^\n]*",
        RefusedError,
        "Kaggle refuses ({}): is the user's name right, and did you accept the competition's rules?",
    ),
    (
        r"[^\n]*4\d\d Client Error[^\n]*",
        RefusedError,
        "Kaggle refuses: {}.",
    ),
)
# The client has no command for a notebook's version.
LATEST_VERSION = """
import sys
from kaggle.api.kaggle_api_extended import KaggleApi
from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest
from requests import HTTPError
api, request = KaggleApi(), ApiGetKernelRequest()
api.authenticate()
request.user_name, request.kernel_slug = sys.argv[1:]
try:
    with api.build_kaggle_client() as client:
        version = client.kernels.kernels_api_client.get_kernel(request).metadata.current_version_number
except HTTPError as error:
    if error.response.status_code not in (403, 404):
        sys.exit(str(error))
    version = 0
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
print("version", version)
"""


def user() -> str | None:
    """The user's name in the client's credentials, if any.

    Raises:
        InputError: there are no credentials, or the client is not installed.
        UnreachableError: Kaggle did not answer.
        RunError: Kaggle refused.
    """
    found = re.search(r"username: (\S+)", _client("config", "view"))
    return found[1] if found and found[1] != "None" else None


def latest_version(kernel: str) -> int:
    """The newest version of a notebook; 0 if there is none that you may see.

    Raises:
        InputError: there are no credentials, or the client is not installed.
        UnreachableError: Kaggle did not answer.
        RunError: Kaggle refused.
    """
    _installed_client()
    said = _run([sys.executable, "-c", LATEST_VERSION, *kernel.split("/")])
    if not (found := re.search(r"^version (\d+)", said, re.MULTILINE)):
        raise RunError(f"Kaggle does not say which version {kernel} has: {_last_line(said)}")
    return int(found[1])


def push(folder: Path) -> int:
    """Push a notebook, which starts it, and give the number of the version that it got.

    Raises:
        InputError: there are no credentials, or the client is not installed.
        UnreachableError: Kaggle did not answer.
        RunError: Kaggle refused.
    """
    said = _client("kernels", "push", "-p", str(folder))
    if not (pushed := re.search(r"Kernel version (\d+) successfully pushed", said)):
        raise RunError(f"Kaggle did not take the notebook: {_last_line(said)}")
    return int(pushed[1])


def status(kernel: str) -> tuple[str, str]:
    """The status of a notebook's last run (QUEUED, RUNNING, COMPLETE, ERROR, ...), and why it failed.

    Raises:
        InputError: there are no credentials, or the client is not installed.
        UnreachableError: Kaggle did not answer.
        RunError: Kaggle refused.
    """
    said = _client("kernels", "status", kernel)
    if not (found := re.search(r'has status "(?:KernelWorkerStatus\.)?(\w+)"', said)):
        raise RunError(f"Kaggle does not say how {kernel} stands: {_last_line(said)}")
    message = re.search(r'Failure message: "(.*)"', said, re.DOTALL)
    return found[1], message[1] if message else ""


def output(kernel: str, folder: Path) -> list[str]:
    """Fetch what a notebook wrote, and give the lines of its log.

    Raises:
        InputError: there are no credentials, or the client is not installed.
        UnreachableError: Kaggle did not answer.
        RunError: Kaggle refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _client("kernels", "output", kernel, "-p", str(folder), "--force", seconds=TRANSFER_SECONDS)
    log = folder / f"{kernel.split('/')[1]}.log"
    return log_lines(log.read_text(encoding="utf-8")) if log.exists() else []


def log_lines(text: str) -> list[str]:
    """The lines of a run's log, a JSON list of what was printed when.

    >>> log_lines('[{"stream_name": "stdout", "time": 1.0, "data": "32 of 512"}]')
    ['32 of 512']
    """
    try:
        return "".join(part["data"] for part in json.loads(text)).splitlines()
    except (ValueError, KeyError, TypeError):  # plain text
        return text.splitlines()


def submit(competition: str, kernel: str, version: int, file: str, description: str) -> None:
    """Submit a file that a version of a notebook wrote.

    Raises:
        InputError: there are no credentials, or the client is not installed.
        UnreachableError: Kaggle did not answer.
        RunError: Kaggle refused.
    """
    said = _client("competitions", "submit", competition, "-k", kernel, "-v", str(version), "-f", file, "-m", description)
    if "uccess" not in said:
        raise RunError(f"Kaggle did not take the submission: {_last_line(said)}")


def submissions(competition: str) -> list[dict[str, str]]:
    """What you have submitted, newest first.

    Keys are the client's: ref, fileName, date, description, status, publicScore, privateScore.

    Raises:
        InputError: there are no credentials, or the client is not installed.
        UnreachableError: Kaggle did not answer.
        RunError: Kaggle refused.
    """
    said = _client("competitions", "submissions", competition, "--csv")
    start = said.find("ref,fileName,")
    return list(csv.DictReader(io.StringIO(said[start:]))) if start >= 0 else []


def _client(*arguments: str, seconds: float | None = None) -> str:
    return _run([str(_installed_client()), *arguments], seconds)


def _installed_client() -> Path:
    """The client's command, beside the interpreter.

    Raises:
        InputError: it is not installed.
    """
    client = Path(sys.executable).with_name("kaggle")
    if not client.exists():
        raise missing("kaggle", "kaggle")
    return client


def _run(command: Sequence[str], seconds: float | None = None) -> str:
    """What a command prints; a complaint in it is raised, and so is its silence."""
    seconds = seconds or REQUEST_SECONDS
    try:
        run = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"Kaggle did not answer within {seconds:g} seconds; go on with --resume.") from None
    said = run.stdout + run.stderr
    refused = re.search(r"Kernel push error: ([^\n]*)", said)
    if run.returncode or refused:
        for pattern, kind, sentence in COMPLAINTS:
            if found := re.search(pattern, said, re.IGNORECASE):
                raise kind(sentence.format(found[0].strip().removeprefix("Kernel push error: ").rstrip(".")))
        if refused:
            raise RefusedError(f"Kaggle refuses: {refused[1]}")
        raise RunError(f"The Kaggle client failed: {_last_line(said)}")
    return said


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
