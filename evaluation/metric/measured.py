"""A number, or the reason why there is none."""

from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")

Interval = tuple[float, float]


class Measured(Struct, Generic[T], frozen=True):
    """What was measured, or why it could not be.

    >>> Measured(0.5), Measured(reason="original models are not known").value
    (Measured(value=0.5, reason=None), None)

    Attributes:
        value: None where there is none.
        reason: why there is none, in one clause.
    """

    value: T | None = None
    reason: str | None = None


class Means(Struct, frozen=True):
    """Means over the unlearned and over the retrained models."""

    unlearned: float
    retrained: float


class ExampleEpsilon(Struct, frozen=True):
    """The ε of a forget example, by its id."""

    example: int
    epsilon: float
