"""Which calls of a notebook lead to its `unlearning` and to a checkpoint, and by which of them it makes its submission."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Any

from starting_kit.notebooks.constants import value_of
from starting_kit.notebooks.rewriting import given_to
from starting_kit.notebooks.statements import DEFINITION, Statement, dotted
from starting_kit.notebooks.way import FUNCTION

SAVES = {"save", "save_file", "save_model", "savez", "dump"}
MODELS = 100  # a loop that is at least so long makes one model after another
LOOPS = ast.For | ast.While | ast.ListComp | ast.GeneratorExp | ast.DictComp
Goal = Callable[[ast.Call], bool]


class Calls:
    """The calls in a notebook.

    Args:
        statements: at the top level.
        constants: values of the notebook's names.

    Attributes:
        functions: that the notebook defines.
        aliases: names under which `unlearning` is called.
        partials: those that `functools.partial` made, with what made them.
    """

    def __init__(self, statements: list[Statement], constants: Mapping[str, Any]) -> None:
        self.statements, self.constants = statements, constants
        self.functions = {s.node.name: s.node for s in statements if isinstance(s.node, ast.FunctionDef)}
        self.aliases, self.partials = {FUNCTION}, dict[str, ast.Call]()
        for statement in statements:
            self._note_names_of_function(statement)

    def _note_names_of_function(self, statement: Statement) -> None:
        """Names under which the function is called: `f = unlearning`, `f = partial(unlearning, lr=1)`, `run(unlearning)`."""
        for node in ast.walk(statement.node) if FUNCTION not in statement.binds else []:
            match node:
                case ast.Assign([ast.Name(name)], ast.Name(known)) if known in self.aliases:
                    self.aliases.add(name)
                case ast.Assign([ast.Name(name)], ast.Call(function, [ast.Name(known), *_]) as made) if known in self.aliases:
                    if dotted(function).rpartition(".")[2] == "partial":
                        self.aliases.add(name)
                        self.partials[name] = made
                case ast.Call(ast.Name(name)) if name in self.functions:
                    given = given_to(self.functions[name], node) or {}
                    self.aliases |= {
                        p for p, value in given.items() if isinstance(value, ast.Name) and value.id in self.aliases
                    }

    def submission(self) -> tuple[int | None, list[Statement]]:
        """The statement that makes the submission, and later ones that call `unlearning` as well.

        Of several it is the last in a loop over models, else the last whose network is saved, else the last; what comes after
        it looks at what was submitted.

        Returns:
            its index, None if there is none; the later ones.
        """
        hits = [i for i, s in enumerate(self.statements) if any(self.leading(s.node, self.unlearns))]
        if not hits:
            return None, []
        spans = zip(hits, [*hits[1:], len(self.statements)], strict=True)
        chosen, _ = max(spans, key=lambda span: (self._is_over_models(span[0]), self._is_saved(*span), span))
        return chosen, [self.statements[i] for i in hits if i > chosen]

    def _is_over_models(self, index: int) -> bool:
        """Whether a statement calls `unlearning` in a loop that may be one over models."""
        inside = self._with_functions(self.statements[index].node)
        return any(self._may_be_long(n) and any(self.leading(n, self.unlearns)) for n in inside if isinstance(n, LOOPS))

    def _is_saved(self, index: int, end: int) -> bool:
        """Whether something is saved by a statement or by those that follow."""
        return any(any(self.leading(s.node, self.saves)) for s in self.statements[index:end])

    def _with_functions(self, node: ast.AST, seen: frozenset[str] = frozenset()) -> Iterator[ast.AST]:
        """A statement's nodes, and those of the notebook's functions that it calls."""
        for inner in ast.walk(node):
            yield inner
            function = self.function(inner) if isinstance(inner, ast.Call) else None
            if function is not None and function.name not in seen:
                yield from self._with_functions(ast.Module(function.body, []), seen | {function.name})

    def _may_be_long(self, loop: ast.AST) -> bool:
        if isinstance(loop, ast.While):
            numbers = [n.value for n in ast.walk(loop.test) if isinstance(n, ast.Constant) and type(n.value) is int]
            return not numbers or max(numbers) >= MODELS
        iterated = [loop.iter] if isinstance(loop, ast.For) else [g.iter for g in getattr(loop, "generators", [])]
        return all(length is None or length >= MODELS for length in map(self._length, iterated))

    def unlearns(self, call: ast.Call) -> bool:
        """Whether a call is one of `unlearning`."""
        return isinstance(call.func, ast.Name) and call.func.id in self.aliases

    def saves(self, call: ast.Call) -> bool:
        """Whether a call saves what it is given."""
        return self.function(call) is None and dotted(call.func).rpartition(".")[2] in SAVES and bool(call.args)

    def unlearning_saves(self) -> bool:
        """Whether `unlearning` itself saves something."""
        function = self.functions.get(FUNCTION)
        return function is not None and any(isinstance(n, ast.Call) and self.saves(n) for n in ast.walk(function))

    def leading(self, node: ast.AST, goal: Goal, seen: frozenset[str] = frozenset()) -> Iterator[ast.Call]:
        """Calls in a statement that are the goal, or lead to it through the notebook's own functions."""
        if isinstance(node, DEFINITION):
            return
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                function = self.function(call)
                if goal(call) or (function and function.name not in seen and self._leads(function, goal, seen)):
                    yield call

    def function(self, call: ast.Call) -> ast.FunctionDef | None:
        """The function of the notebook that is called, other than `unlearning`."""
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        return None if name in self.aliases else self.functions.get(name)

    def _leads(self, function: ast.FunctionDef, goal: Goal, seen: frozenset[str]) -> bool:
        return any(True for node in function.body for _ in self.leading(node, goal, seen | {function.name}))

    def is_long(self, iterated: ast.expr) -> bool:
        """Whether so much is iterated over as there are models."""
        return (self._length(iterated) or 0) >= MODELS

    def _length(self, iterated: ast.expr) -> int | None:
        """How much is iterated over; None if that cannot be told."""
        text = re.sub(r"\b(\w+\.)*trange\(", "range(", re.sub(r"\b(\w+\.)*tqdm\(", "list(", ast.unparse(iterated)))
        values, known = value_of(ast.parse(re.sub(r", \w+=.*\)$", ")", text), mode="eval").body, self.constants)
        return len(values) if known and isinstance(values, Sized) else None
