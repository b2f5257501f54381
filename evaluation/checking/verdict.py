"""What a check says of a solution: a verdict on each property, as types that load without PyTorch."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from msgspec import Struct

Outcome = Literal["pass", "weakness", "failure", "unchecked"]


class Finding(Struct, frozen=True):
    """What was found of one property.

    Attributes:
        outcome: whether the solution has it. A weakness costs score or time; a failure breaks the contract.
        said: what was found, a sentence without its full stop.
        hint: what to do about it; empty where there is nothing to do.
    """

    outcome: Outcome
    said: str
    hint: str = ""


class Verdict(Struct, frozen=True):
    """A finding, with the name of the property that it is about."""

    property: str
    outcome: Outcome
    said: str
    hint: str = ""


class Report(Struct, frozen=True):
    """All verdicts on a solution.

    Attributes:
        solution: its name.
        task: that it was tried on.
        verdicts: in the order of the properties.
        seconds: that the check took.
    """

    solution: str
    task: str
    verdicts: tuple[Verdict, ...]
    seconds: float

    def named(self, outcome: Outcome) -> list[str]:
        """Names of the properties with an outcome."""
        return [verdict.property for verdict in self.verdicts if verdict.outcome == outcome]

    @property
    def passes(self) -> bool:
        """Whether no property fails."""
        return not self.named("failure")


class Property(NamedTuple):
    """One thing that should hold of a solution.

    Attributes:
        name: for people.
        judge: gives the finding, from what was observed in the jobs that it needs.
        needs: names of these jobs, in the order of the arguments.
        answers_for: the job of which this is the property that fails if the job does; empty if it is none's.
    """

    name: str
    judge: Callable[..., Finding]
    needs: tuple[str, ...]
    answers_for: str = ""


def has(said: str) -> Finding:
    """The solution has the property."""
    return Finding("pass", said)


def weak(said: str, hint: str) -> Finding:
    """It has not, which costs score or time."""
    return Finding("weakness", said, hint)


def lacks(said: str, hint: str) -> Finding:
    """It has not, which breaks the contract."""
    return Finding("failure", said, hint)


def unknown(why: str) -> Finding:
    """It could not be found out."""
    return Finding("unchecked", why)
