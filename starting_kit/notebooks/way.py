"""A notebook's way to its call of `unlearning` and on to the checkpoint."""

import ast
from dataclasses import dataclass, field

from starting_kit.notebooks.statements import Statement

FUNCTION = "unlearning"
RESULT = "unlearned"  # the name for what a call returns in the middle of an expression


@dataclass(frozen=True)
class Context:
    """A `with` around the call.

    Attributes:
        item: what is entered.
        cell: where.
        inside: ids of the other statements in its block.
    """

    item: ast.withitem
    cell: int
    inside: frozenset[int]


@dataclass
class Route:
    """A way to a call.

    Attributes:
        before, after: the statements before and after it.
        hit: the statement with the call.
        call: the call in it.
        contexts: of `with` blocks around it.
        over_models: the loop that makes one model after another, with its cell.
        in_loop: ids of the statements in it.
        remarks: on what is not followed.
    """

    before: list[Statement]
    hit: Statement
    call: ast.Call
    after: list[Statement] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)
    over_models: Statement | None = None
    in_loop: frozenset[int] = frozenset()
    remarks: list[str] = field(default_factory=list)


@dataclass
class Way:
    """The whole way.

    Attributes:
        route: to the call.
        statements: all of the notebook, in the order in which they are executed on the way.
        call: index of the one with the call.
        end: index of the first that is not on the way.
        saved: what the notebook saves; None where that is not seen.
    """

    route: Route
    statements: list[Statement]
    call: int
    end: int
    saved: ast.expr | None
