"""What a piece of code is found to change, and what is known of names on the way."""

from dataclasses import dataclass, field

from starting_kit.notebooks.calls_in_code import FUNCTION


@dataclass
class Changes:
    """Names whose values a piece of code changes.

    Attributes:
        surely: by assigning parts of them, or by calling a method for its effect.
        perhaps: by giving them to a function that might, or by calling a method for its value.
        forward: networks, or whatever else it calls: in training mode that changes a network's running statistics.
        trains: whether it puts something into training mode.
        any_global: whether it puts names into `globals()` that are not written down.
        modules: of which it changes parts surely.
    """

    surely: set[str] = field(default_factory=set)
    perhaps: set[str] = field(default_factory=set)
    forward: set[str] = field(default_factory=set)
    trains: bool = False
    any_global: bool = False
    modules: set[str] = field(default_factory=set)

    def sets(self) -> tuple[set[str], set[str], set[str]]:
        """All names, by how they are changed."""
        return self.surely, self.perhaps, self.forward


@dataclass
class Summary:
    """What calling a function does, by its own names.

    Attributes:
        changes: what it changes.
        returned: whose state shares what it returns.
        captured: what functions in what it returns change.
    """

    changes: Changes = field(default_factory=Changes)
    returned: set[str] = field(default_factory=set)
    captured: set[str] = field(default_factory=set)


@dataclass
class Scope:
    """What is known of names while statements are gone through.

    Attributes:
        functions: those of the notebook, by name.
        shared: of each name those whose state it shares.
        captured: of each name what is changed by functions that it holds.
        at_top: whether the statements are not those of a function.
    """

    functions: dict[str, FUNCTION]
    shared: dict[str, set[str]] = field(default_factory=dict)
    captured: dict[str, set[str]] = field(default_factory=dict)
    at_top: bool = False
