"""How far a submission has come, as written down beside its notebook."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from starting_kit.errors import InputError

WriteJson = Callable[[Path, dict[str, Any]], None]


@dataclass
class State:
    """How far a submission has come.

    Attributes:
        kernel: the notebook on Kaggle, `user/slug`.
        notebook: hash of the notebook and its metadata.
        settings: its hyper-parameters, `name=value name=value`.
        submit: whether it is to be submitted, or only run.
        fingerprint: what the pushed version writes into its output, and no other version does.
        before: the newest version on Kaggle when a push began, until its answer is known.
        pushed_at: when that was, in seconds since 1970.
        version: the one that the push got.
        complete: whether that version has run to its end.
        failed: why it has not, and what to do.
        submitted_at: when a submission began whose answer is not known; 0 if none did.
        submitted: whether it is known to have arrived.
        public, private: scores.
    """

    kernel: str
    notebook: str
    settings: str
    submit: bool = False
    fingerprint: str = ""
    before: int | None = None
    pushed_at: float = 0.0
    version: int | None = None
    complete: bool = False
    failed: str = ""
    submitted_at: float = 0.0
    submitted: bool = False
    public: float | None = None
    private: float | None = None

    @property
    def description(self) -> str:
        """What tells the submission apart from others."""
        return f"{self.kernel} version {self.version} ({self.fingerprint[:8]})"


class StateFile:
    """The file that holds it.

    Args:
        folder: of the notebook.
        write_json: writes a dict to a file atomically.
    """

    def __init__(self, folder: Path, write_json: WriteJson) -> None:
        self._path, self._write_json = folder / "state.json", write_json

    def read(self) -> State | None:
        """The state, or None where nothing was sent.

        Raises:
            InputError: the file is damaged.
        """
        try:
            return State(**json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{self._path} is damaged ({error}); look on Kaggle what arrived, and remove the file to begin again."
            ) from error

    def write(self, state: State) -> None:
        """Keep a state."""
        self._write_json(self._path, asdict(state))
