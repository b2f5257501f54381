"""From a folder with a notebook to a score on Kaggle: every completed step is written down, and none is done twice.

A notebook is pushed as a version, run, its output fetched, submitted and scored; `state.json` beside it says how far it has
come. Where Kaggle's answer to a push or a submission was lost, Kaggle is asked what it has before anything is sent again.

Kaggle tells of a notebook's newest version only, and for a while still of the one before it. So what is pushed has a
fingerprint in it, and it counts as run when it is the newest version and its fingerprint is in the output; else nothing is
submitted.
"""

import hashlib
import json
import math
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

from filelock import FileLock, Timeout

from starting_kit.errors import InputError, RunError
from starting_kit.kaggle import client
from starting_kit.kaggle.client import RefusedError, UnreachableError
from starting_kit.kaggle.state import State, StateFile, WriteJson
from starting_kit.kaggle.submission import COMPETITION, METADATA, NOTEBOOK, signed

FAILED = ("ERROR", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED")
PATIENCE = 3  # failures to answer in a row that end the wait for a run
LATE = 600.0  # seconds after which nothing that was sent can still arrive, and Kaggle tells of no older version any more
LONGEST = 24 * 3600.0  # seconds of waiting for a run or a score: the competition's eight hours, and as much in queues
LOG_LINES = 10  # shown of a failed run
RESULT = "submission.zip"

Say = Callable[[str], None]
Answer = TypeVar("Answer")


class Flow:
    """Takes one folder to Kaggle; a context manager, which locks the folder meanwhile.

    Args:
        folder: holds the notebook and its metadata.
        poll: seconds between questions.
        write_json: writes a dict to a file atomically.
        say: told what was done.
        show: told what is waited for.

    Raises:
        InputError: another process has locked the folder.
    """

    def __init__(self, folder: Path, poll: float, write_json: WriteJson, say: Say, show: Say) -> None:
        self.folder, self.poll, self.say, self.show = folder, poll, say, show
        self._file, self._write_json = StateFile(folder, write_json), write_json
        self._lock = FileLock(folder / ".lock")

    def __enter__(self) -> "Flow":
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(f"Another process is sending {self.folder}; wait for it, or stop it.") from None
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    def begin(self, settings: str, submit: bool) -> State:
        """The state to go on from: that of the same notebook if it was sent before and did not fail, else a new one.

        Raises:
            InputError: the file that holds the state is damaged.
        """
        metadata = json.loads((self.folder / METADATA).read_text(encoding="utf-8"))
        content = b"".join((self.folder / name).read_bytes() for name in (NOTEBOOK, METADATA))
        fingerprint = hashlib.sha256(content + secrets.token_bytes(16)).hexdigest()[:16]
        new = State(metadata["id"], hashlib.sha256(content).hexdigest(), settings, submit, fingerprint)
        old = self._file.read()
        if old is None or old.notebook != new.notebook or old.failed:
            return new
        if old.version is not None:
            self.say(f"sent before, as version {old.version} of {old.kernel}; going on from there")
        old.submit = old.submit or submit
        return old

    def resume(self) -> State:
        """The state where it stopped.

        Raises:
            InputError: nothing was sent, or the file that holds the state is damaged.
        """
        if (state := self._file.read()) is None:
            raise InputError(f"Nothing was sent from {self.folder}; begin with --push or --submit.")
        return state

    def advance(self, state: State) -> None:
        """Do the steps that are left, and wait for Kaggle between them.

        Raises:
            InputError: there are no credentials, or the client is not installed.
            UnreachableError: Kaggle did not answer.
            RunError: Kaggle refused, the notebook failed there, or it is not certain that what is there is what was pushed.
        """
        if state.failed:
            raise RunError(state.failed)
        if state.version is None:
            self._push(state)
        if not state.complete:
            self._follow(state)
        if state.submit and not state.submitted:
            self._submit(state)
        if state.submit and state.public is None and state.private is None:
            self._await_score(state)

    def _fail(self, state: State, sentence: str) -> NoReturn:
        state.failed = sentence
        self._file.write(state)
        raise RunError(sentence)

    def _push(self, state: State) -> None:
        self.show(f"Pushing {state.kernel}")
        latest = client.latest_version(state.kernel)
        if state.before is not None:  # an answer was lost on the way; was the notebook, too?
            before = state.before
            latest = self._late(lambda: client.latest_version(state.kernel), lambda newest: newest > before, state.pushed_at)
            if latest > before + 1:
                self._fail(
                    state,
                    f"Since the push without an answer {state.kernel} got versions {before + 1} to {latest}, and which of them "
                    "was pushed is not certain; nothing is submitted. --push sends it again.",
                )
        if state.before is not None and latest > state.before:
            state.version = latest
        else:
            state.before, state.pushed_at = latest, time.time()
            self._file.write(state)
            state.version = self._send(state)
        self._file.write(state)
        self.say(f"pushed: version {state.version} of https://www.kaggle.com/code/{state.kernel}")

    def _send(self, state: State) -> int:
        """Push the notebook with its fingerprint; gives the version."""
        notebook = json.loads((self.folder / NOTEBOOK).read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as folder:
            self._write_json(Path(folder, NOTEBOOK), signed(notebook, state.fingerprint))
            shutil.copy(self.folder / METADATA, folder)
            try:
                return client.push(Path(folder))
            except (InputError, RefusedError):
                state.before = None  # so a version that appears later is another's
                self._file.write(state)
                raise

    def _follow(self, state: State) -> None:
        self.show(f"{state.kernel} waits")
        output = self.folder / "output"
        status, message, lines, certain = self._outcome(state, output)
        if status in FAILED:
            for line in lines[-LOG_LINES:]:
                self.say(f"log: {line}")
            reason = (message or f"its status is {status}").rstrip(".")
            self._fail(
                state,
                f"Version {state.version} of {state.kernel} failed on Kaggle: {reason}. All that it wrote: {output}. "
                "Mend it, and --push it again.",
            )
        if not certain:
            self._fail(
                state,
                f"The output of {state.kernel} is not that of what was pushed as version {state.version}: its fingerprint is "
                "missing. Nothing is submitted; --push sends it again.",
            )
        if not (output / RESULT).exists():
            raise RunError(f"Version {state.version} of {state.kernel} wrote no {RESULT}; its log is in {output}.")
        state.complete = True
        self._file.write(state)
        if lines:
            self.say(f"log: {lines[-1]}")
        self.say(f"complete: {output} holds its output and its log")

    def _outcome(self, state: State, output: Path) -> tuple[str, str, list[str], bool]:
        """Status at the end, why, the lines of the log, and whether they are certainly of the version that was pushed."""
        for minutes, (status, message) in self._answers(lambda: client.status(state.kernel), state.kernel):  # noqa: B007
            if status in FAILED or status == "COMPLETE":
                self.show(f"Fetching the output of {state.kernel}")
                lines = self._fetch(state, output)
                certain = _has_fingerprint(state, output, lines)
                if certain or time.time() - state.pushed_at > LATE:
                    break  # otherwise it is, for all we know, of the version before
            self.show(f"{state.kernel}: {status.lower()}, {minutes:.0f} min")
        return status, message, lines, certain

    def _fetch(self, state: State, output: Path) -> list[str]:
        """Fetch the output into an empty folder, and see that no newer version can have written it; gives the log's lines."""
        shutil.rmtree(output, ignore_errors=True)
        lines = client.output(state.kernel, output)
        latest = client.latest_version(state.kernel)
        if state.version is not None and latest > state.version:
            self._fail(
                state,
                f"{state.kernel} has got version {latest} since version {state.version} was pushed (saved in the browser?), "
                "and Kaggle tells of the newest only. Nothing is submitted; --push sends it again.",
            )
        return lines

    def _submit(self, state: State) -> None:
        assert state.version is not None
        self.show(f"Submitting version {state.version} of {state.kernel}")
        arrived = state.submitted_at and self._late(lambda: self._submission(state), bool, state.submitted_at)
        if not arrived:
            state.submitted_at = time.time()
            self._file.write(state)
            try:
                client.submit(COMPETITION, state.kernel, state.version, RESULT, state.description)
            except (InputError, RefusedError):
                state.submitted_at = 0.0
                self._file.write(state)
                raise
        state.submitted = True
        self._file.write(state)
        self.say(f"submitted: {state.description}")

    def _await_score(self, state: State) -> None:
        for minutes, listed in self._answers(lambda: self._submission(state), state.description):
            found = listed or {"status": "not listed yet"}
            status = (found.get("status") or "").rpartition(".")[2].lower()
            if status == "error":
                raise RunError(
                    f"Kaggle could not score {state.description}; the reason is on the competition's submissions page."
                )
            if status == "complete":
                break
            self.show(f"{state.description}: {status}, {minutes:.0f} min")
        state.public, state.private = (_score(found.get(key)) for key in ("publicScore", "privateScore"))
        if state.public is None and state.private is None:
            raise RunError(
                f"Kaggle gives {state.description} the scores {found.get('publicScore')!r} and {found.get('privateScore')!r}, "
                "which are no numbers; see the competition's submissions page."
            )
        self._file.write(state)

    def _answers(self, ask: Callable[[], Answer], what: str) -> Iterator[tuple[float, Answer]]:
        """Ask Kaggle again and again: minutes passed and the answer; short failures of the network are tolerated."""
        began, lost = time.monotonic(), 0
        while True:
            try:
                answer = ask()
            except UnreachableError:
                lost += 1
                if lost == PATIENCE:
                    raise
            else:
                lost = 0
                yield (time.monotonic() - began) / 60, answer
            if time.monotonic() - began > LONGEST:
                raise RunError(f"Kaggle is not done with {what} after {LONGEST / 3600:g} hours; --resume goes on waiting.")
            time.sleep(self.poll)

    def _late(self, ask: Callable[[], Answer], arrived: Callable[[Answer], bool], sent_at: float) -> Answer:
        """Ask until what was sent has arrived, or would have."""
        self.show("Waiting whether what was sent without an answer has arrived")
        for _, answer in self._answers(ask, "what was sent"):
            if arrived(answer) or time.time() - sent_at > LATE:
                break
        return answer

    def _submission(self, state: State) -> dict[str, str] | None:
        listed = client.submissions(COMPETITION)
        return next((entry for entry in listed if entry.get("description") == state.description), None)


def _has_fingerprint(state: State, output: Path, lines: list[str]) -> bool:
    """Whether an output, or a log where a run has failed, is that of the version that was pushed."""
    file = output / "fingerprint.txt"
    found = [*lines, file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""]
    return bool(state.fingerprint) and any(state.fingerprint in text for text in found)


def _score(text: str | None) -> float | None:
    """A score, or None for what is no finite number."""
    try:
        score = float(text or "")
    except ValueError:
        return None
    return score if math.isfinite(score) else None
