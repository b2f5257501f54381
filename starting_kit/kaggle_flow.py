"""From a folder with a notebook to a score on Kaggle, step by step; each step done is written down, and none is done twice.

pushed (version N) -> complete -> fetched -> submitted -> scored. `state.json` beside the notebook says how far it came. A push that
was interrupted before Kaggle answered may have arrived or not: then Kaggle is asked what it has.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from starting_kit import kaggle_client
from starting_kit.errors import InputError, RunError
from starting_kit.submission import COMPETITION, NOTEBOOK

POLL_SECONDS = 30.0
FAILED = ("ERROR", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED")


@dataclass
class State:
    """How far a submission came.

    Attributes:
        kernel: the notebook on Kaggle, `user/slug`.
        notebook: hash of what is or was pushed.
        pushing: whether a push began of which no answer is known.
        version: on Kaggle, once it was pushed.
        complete: whether that version has run to its end.
        submitted: what tells the submission apart from others, once it was made.
        public, private: scores.
    """

    kernel: str
    notebook: str
    pushing: bool = False
    version: int | None = None
    complete: bool = False
    submitted: str | None = None
    public: float | None = None
    private: float | None = None
