"""What a notebook's `unlearning` is found to need."""

from dataclasses import dataclass, field


class MissingError(Exception):
    """Something cannot be had without what is not executed: half a sentence.

    Attributes:
        ending: how a sentence ends that says that it is needed.
    """

    ending = ", which is not executed."


class EarlierError(MissingError):
    """Something is made by a definition of `unlearning` that another has replaced."""


class UnboundError(MissingError):
    """Nothing binds a name."""

    ending = "."


@dataclass(frozen=True)
class Given:
    """A name for which the kit gives something.

    Attributes:
        role: the network, or a split.
        since: index of the statement by which the notebook makes it, -1 where none does.
    """

    role: str
    since: int


@dataclass
class Needed:
    """What has been found to be needed.

    Attributes:
        at_top: indices of statements that are executed when the file is loaded.
        in_run: of those that are executed in every run.
        given: names for which the kit gives something.
        read_globally: names that functions read, and that runs bind.
        known: for each name and place that were looked at, whether the name is bound in runs.
    """

    at_top: set[int] = field(default_factory=set)
    in_run: set[int] = field(default_factory=set)
    given: dict[str, Given] = field(default_factory=dict)
    read_globally: set[str] = field(default_factory=set)
    known: dict[tuple[str, int], bool] = field(default_factory=dict)
