"""Whether a worker is confined, tried from inside: what a solution might do for a better score."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from evaluation.populations.made import Probe
from evaluation.populations.serving import confinement


def probe(secret: Path, folder: Path, parent: int) -> Probe:
    """Try what should fail.

    Args:
        secret: a file among the populations.
        folder: where nothing may be written.
        parent: the process that scores.
    """
    attempts: dict[str, Callable[[], object]] = {
        "read populations": secret.read_bytes,
        "write beside them": lambda: (folder / "written").write_text("by a worker"),
        "open an internet socket": lambda: socket.socket(socket.AF_INET).close(),
        "signal the scoring process": lambda: os.kill(parent, 0),
    }
    reached = []
    for what, attempt in attempts.items():
        with suppress(OSError):
            attempt()
            reached.append(what)
    return Probe(confinement(), reached)
