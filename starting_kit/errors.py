"""The two ways a command ends badly; each is one sentence for the user and one exit code."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """The command line or an input file is wrong (exit code 2)."""


class RunError(Exception):
    """The work itself failed: a solution raised, a worker died, a disk is full (exit code 1)."""


class SolutionError(RunError):
    """A solution failed: it raised, or what it returned is not a usable network."""


class DataWithheldError(RunError):
    """A solution read examples that --data-free withholds."""


class WorkerDiedError(RunError):
    """A worker ended, or was ended, before its job did: half a sentence says how."""


class SourceChangedError(RunError):
    """A solution's file is not what it was when scoring began."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question for the end of a sentence about an unknown name, empty if nothing known is near it."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def first_line(error: BaseException) -> str:
    """The first line of an exception's message that has text; a stranger's exception may fail to say anything."""
    try:
        text = str(error)
    except Exception as fault:
        return f"its message cannot be read, for that raises {type(fault).__name__}"
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")
