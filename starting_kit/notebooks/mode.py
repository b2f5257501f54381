"""Whether the notebook's network is in training mode when a run begins; ours is in eval mode."""

import ast
import re
from collections.abc import Sequence

from starting_kit.notebooks.slicing import Slice
from starting_kit.notebooks.statements import Statement, dotted, read_by
from starting_kit.notebooks.way import FUNCTION, Way

SETS = re.compile(r"\.(train|eval)\(\s*(\w*)\s*\)")


def begins_in_training(way: Way, found: Slice, network: ast.expr | None) -> bool:
    """Whether `unlearning` gets a network in training mode, as a new one is, and does not put it there itself.

    Args:
        way: of the notebook.
        found: its functions.
        network: what the call gives as the network to be changed.
    """
    function = found.definitions.get(FUNCTION)
    if function is None or network is None or _trains_its_own(function):
        return False
    modes = _Modes(found)
    before = way.statements[: way.call]
    for statement in before:
        modes.follow(statement)
    names = {name for name in read_by(network) if modes.of.get(name) is not None}
    made_anew = any(names & s.binds and id(s) in way.route.in_loop for s in before)
    left = [function, *(s.node for s in (way.route.hit, *way.statements[way.call + 1 : way.end]))]
    ends_in_eval = way.route.over_models is not None and not made_anew and modes.last_set(left) is False
    return any(modes.of[name] for name in names) and not ends_in_eval


def _trains_its_own(function: ast.stmt) -> bool:
    """Whether a function puts a network that it is given into training mode."""
    given = {argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg)}
    calls = (dotted(call.func).split(".") for call in ast.walk(function) if isinstance(call, ast.Call))
    return any(len(parts) == 2 and parts[0] in given and parts[1] == "train" for parts in calls)


class _Modes:
    """Follows the modes of a notebook's networks.

    Attributes:
        of: by name, whether it is in training mode.
    """

    def __init__(self, found: Slice) -> None:
        self.found = found
        self.of: dict[str, bool | None] = {}

    def follow(self, statement: Statement) -> None:
        """Take a statement into account."""
        node = statement.node
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self.of[node.targets[0].id] = self._of_value(node.value)
        elif not isinstance(node, ast.FunctionDef | ast.ClassDef):
            for name in statement.reads & self.of.keys():
                mode = self._set_for(name, node)
                self.of[name] = self.of[name] if mode is None else mode

    def _of_value(self, value: ast.expr) -> bool | None:
        """The mode of what an expression gives: that of the network in it, else of a new one, which is in training mode."""
        if (mode := self.last_set([value])) is not None:
            return mode
        known = [self.of[name] for name in sorted(read_by(value) & self.of.keys()) if self.of[name] is not None]
        if known:
            return known[0]
        return isinstance(value, ast.Call) and not re.search(r"\bload\(", ast.unparse(value))

    def _set_for(self, name: str, node: ast.stmt) -> bool | None:
        """The mode into which a statement puts a network: by its method, or by giving it to a function that does."""
        mode = None
        for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
            owner, _, method = dotted(call.func).rpartition(".")
            function = self.found.definitions.get(dotted(call.func))
            if owner == name and method in ("train", "eval"):
                mode = self.last_set([call])
            elif function is not None and any(isinstance(a, ast.Name) and a.id == name for a in call.args):
                mode = self.last_set([function]) if self.last_set([function]) is not None else mode
        return mode

    def last_set(self, nodes: Sequence[ast.AST]) -> bool | None:
        """The last mode that code sets, as far as its text says; None if it sets none."""
        said = [match for node in nodes for match in SETS.findall(ast.unparse(node))]
        return said[-1][0] == "train" and said[-1][1] != "False" if said else None
