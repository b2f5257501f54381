"""From a folder with a notebook to a score on Kaggle: every completed step is written down, and none is done twice.

A notebook is pushed as a version, run, its output fetched, submitted and scored; `state.json` beside it says how far it has
come. Where Kaggle's answer to a push or a submission was lost, Kaggle is asked what it has before anything is sent again.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from starting_kit.errors import InputError, RunError
from starting_kit.kaggle import client
from starting_kit.kaggle.client import UnreachableError
from starting_kit.kaggle.submission import COMPETITION, METADATA, NOTEBOOK

FAILED = ("ERROR", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED")
PATIENCE = 3  # failures to answer in a row that end the wait for a run
LOG_LINES = 10  # shown of a failed run
RESULT = "submission.zip"

Say = Callable[[str], None]
Answer = TypeVar("Answer")


@dataclass
class State:
    """How far a submission has come.

    Attributes:
        kernel: the notebook on Kaggle, `user/slug`.
        notebook: hash of the notebook and its metadata.
        settings: its hyper-parameters, `name=value name=value`.
        submit: whether it is to be submitted, or only run.
        before: the newest version on Kaggle when a push began, until its answer is known.
        version: the one that the push got.
        complete: whether that version has run to its end.
        failed: why it has not.
        submitting: whether a submission began.
        submitted: whether it is known to have arrived.
        public, private: scores.
    """

    kernel: str
    notebook: str
    settings: str
    submit: bool = False
    before: int | None = None
    version: int | None = None
    complete: bool = False
    failed: str = ""
    submitting: bool = False
    submitted: bool = False
    public: float | None = None
    private: float | None = None

    @property
    def description(self) -> str:
        """What tells the submission apart from others."""
        return f"{self.kernel} version {self.version} ({self.notebook[:8]})"


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

    def __init__(
        self, folder: Path, poll: float, write_json: Callable[[Path, dict[str, Any]], None], say: Say, show: Say
    ) -> None:
        self.folder, self.poll, self.say, self.show = folder, poll, say, show
        self._path, self._write_json = folder / "state.json", write_json
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
        new = State(metadata["id"], hashlib.sha256(content).hexdigest(), settings, submit)
        old = self._read()
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
        if (state := self._read()) is None:
            raise InputError(f"Nothing was sent from {self.folder}; begin with --push or --submit.")
        return state

    def _read(self) -> State | None:
        try:
            return State(**json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{self._path} is damaged ({error}); look on Kaggle what arrived, and remove the file to begin again."
            ) from error

    def _save(self, state: State) -> None:
        self._write_json(self._path, asdict(state))

    def advance(self, state: State) -> None:
        """Do the steps that are left, and wait for Kaggle between them.

        Raises:
            InputError: there are no credentials, or the client is not installed.
            UnreachableError: Kaggle did not answer.
            RunError: Kaggle refused, or the notebook failed there.
        """
        if state.failed:
            raise RunError(f"Version {state.version} of {state.kernel} failed: {state.failed} Mend it, and --push it again.")
        if state.version is None:
            self._push(state)
        if not state.complete:
            self._follow(state)
        if state.submit and not state.submitted:
            self._submit(state)
        if state.submit and state.public is None and state.private is None:
            self._await_score(state)

    def _push(self, state: State) -> None:
        self.show(f"Pushing {state.kernel}")
        latest = client.latest_version(state.kernel)
        if state.before is not None and latest > state.before:
            state.version = latest  # the answer was lost on the way, the notebook was not
        else:
            state.before = latest
            self._save(state)
            try:
                state.version = client.push(self.folder)
            except UnreachableError:
                raise
            except (InputError, RunError):
                state.before = None  # it was refused, so a version that appears later is another's
                self._save(state)
                raise
        self._save(state)
        self.say(f"pushed: version {state.version} of https://www.kaggle.com/code/{state.kernel}")

    def _follow(self, state: State) -> None:
        self.show(f"{state.kernel} waits")
        for minutes, answer in self._answers(lambda: client.status(state.kernel)):
            status, message = answer
            if status in FAILED or status == "COMPLETE":
                break
            self.show(f"{state.kernel}: {status.lower()}, {minutes:.0f} min")
        self.show(f"Fetching the output of {state.kernel}")
        output = self.folder / "output"
        lines = client.output(state.kernel, output)
        if status in FAILED:
            state.failed = (message or f"its status is {status}").rstrip(".") + "."
            self._save(state)
            for line in lines[-LOG_LINES:]:
                self.say(f"log: {line}")
            raise RunError(
                f"Version {state.version} of {state.kernel} failed on Kaggle: {state.failed} All that it wrote: {output}."
            )
        if not (output / RESULT).exists():
            raise RunError(f"Version {state.version} of {state.kernel} wrote no {RESULT}; its log is in {output}.")
        state.complete = True
        self._save(state)
        if lines:
            self.say(f"log: {lines[-1]}")
        self.say(f"complete: {output} holds its output and its log")

    def _submit(self, state: State) -> None:
        assert state.version is not None
        self.show(f"Submitting version {state.version} of {state.kernel}")
        if not state.submitting or self._submission(state) is None:
            state.submitting = True
            self._save(state)
            client.submit(COMPETITION, state.kernel, state.version, RESULT, state.description)
        state.submitted = True
        self._save(state)
        self.say(f"submitted: {state.description}")

    def _await_score(self, state: State) -> None:
        for minutes, listed in self._answers(lambda: self._submission(state)):
            found = listed or {"status": "not listed yet"}
            status = found["status"].rpartition(".")[2].lower()
            if status == "error":
                raise RunError(
                    f"Kaggle could not score {state.description}; the reason is on the competition's submissions page."
                )
            if status == "complete":
                break
            self.show(f"{state.description}: {status}, {minutes:.0f} min")
        state.public, state.private = (float(found[key]) if found[key] else None for key in ("publicScore", "privateScore"))
        self._save(state)

    def _answers(self, ask: Callable[[], Answer]) -> Iterator[tuple[float, Answer]]:
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
            time.sleep(self.poll)

    def _submission(self, state: State) -> dict[str, str] | None:
        listed = client.submissions(COMPETITION)
        return next((entry for entry in listed if entry["description"] == state.description), None)
