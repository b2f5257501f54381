"""What a name needs: the statements behind it, those that are executed when the file is loaded and those of every run.

The statements are looked at in the order in which the notebook executes them on its way to the call of `unlearning` and on to
the checkpoint. Of a name that is bound several times the last binding before its use counts; a function's names are used when
it is called. Statements in between that change what the name stands for are needed, too.

The way back ends where the kit gives what the notebook makes itself: the network, loaders, data sets.
"""

import ast
import builtins
import copy
import importlib.util
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from starting_kit import roles
from starting_kit.notebooks.effects import Effects
from starting_kit.notebooks.indirect import ALL as ENVIRONMENT
from starting_kit.notebooks.needed import EarlierError, Given, MissingError, Needed, UnboundError
from starting_kit.notebooks.refusals import refusal
from starting_kit.notebooks.statements import (
    DEFINITION,
    Statement,
    bound_value,
    dotted,
    read_by,
    read_later,
    read_when_defined,
)
from starting_kit.notebooks.way import FUNCTION
from starting_kit.seeds import Names


class Slice:
    """Finds what names need.

    Args:
        statements: in the order in which the notebook executes them.
        call: index of the one with the call of `unlearning`; their number, where there is none.
        competition: the competition's folder, if files may be read.
        fixed: names that the user has set.

    Attributes:
        roles: names for which the call says what they stand for.
        needed: what has been found to be needed.
        not_run: statements that change what is given and are not run, with what they need.
    """

    def __init__(self, statements: list[Statement], call: int, competition: Path | None, fixed: Iterable[str]) -> None:
        self.statements, self.call, self.competition, self.fixed = statements, call, competition, set(fixed)
        self.roles: dict[str, str] = {}
        self.effects = Effects(statements)
        self.definitions = {s.node.name: s.node for s in statements if isinstance(s.node, DEFINITION)}
        self.seeds = Names.of(ast.Module([s.node for s in statements], []))
        self.networks = set(self._networks())
        self.needed = Needed()
        self.not_run: dict[int, str] = {}

    def _networks(self) -> Iterator[str]:
        """Names of which methods are called that only networks have."""
        for statement in self.statements:
            for node in ast.walk(statement.node):
                match node:
                    case ast.Call(
                        ast.Attribute(ast.Name(name), "parameters" | "named_parameters" | "modules" | "load_state_dict")
                    ):
                        if not roles.ABOUT.search(name):
                            yield name

    def role(self, name: str) -> str | None:
        """What a name stands for: what the call says, else what it says itself, else what is done with it."""
        return self.roles.get(name) or roles.role(name) or ("network" if name in self.networks else None)

    def demand(self, name: str, before: int, in_function: bool = False) -> bool:
        """Have a name's value at hand before a statement is executed.

        Args:
            name: what is used.
            before: index of the statement that uses it.
            in_function: whether it does so by calling a function that reads the name.

        Returns:
            Whether it is bound in runs.

        Raises:
            MissingError: it needs what is not executed.
        """
        key = name, before
        if key not in self.needed.known:
            self.needed.known[key] = False  # for functions that call each other
            self.needed.known[key] = name not in self.fixed and self._find(name, before, in_function)
        if in_function and self.needed.known[key] and name not in self.definitions:
            self.needed.read_globally.add(name)
        return self.needed.known[key]

    def _find(self, name: str, before: int, in_function: bool) -> bool:
        index = self.binding(name, before)
        given = self._given(name, index, before)
        shared: set[str] = set()
        if given:
            self.needed.given.setdefault(name, given)
            bound_in_run, since = True, given.since
        elif index is None:
            self._unbound(name, in_function)
            bound_in_run, since = False, -1
        else:
            bound_in_run, since = self.include(index, before), index
            shared = {each for each in self.effects.shares[index].get(name, set()) if not self.role(each)}
        for other in (i for i in range(since + 1, before) if i != index):
            changes = self._changes(other, name, bound_in_run)
            if changes or any(self._changes(other, each, bound_in_run) for each in shared):
                bound_in_run |= self._include_change(other, bound_in_run, may_be_left=bound_in_run or not changes)
        return bound_in_run

    def binding(self, name: str, before: int) -> int | None:
        """The last statement before a place that binds a name; if there is none, the last one of all that does."""
        binding = [index for index, statement in enumerate(self.statements) if name in statement.binds]
        earlier = [index for index in binding if index < before]
        if len(earlier) > 1:
            value, _ = bound_value(name, self.statements[earlier[-1]].node)
            is_device = isinstance(value, ast.Attribute) and value.attr == "device"
            if is_device and self._is_made_of_given(earlier[-1]) is None:
                return earlier[-2]  # all devices are the same here
        return next(reversed(earlier or binding), None)

    def _given(self, name: str, index: int | None, before: int) -> Given | None:
        """What the kit gives for a name, if the notebook makes it by what is not executed."""
        if name in self.definitions or (index is not None and self.call <= index < before):
            return None
        if index is not None and index >= before and name in self.roles:
            index = None  # a later binding
        role = self.role(name)
        if role == "network":
            return self._given_network(name, index, before)
        if role is None or (name not in self.roles and not roles.is_data(name)):
            return None
        if index is None:
            return Given(role, -1)
        value, _ = bound_value(name, self.statements[index].node)
        made_of_given = self._is_made_of_given(index)
        if made_of_given is None or (name in self.roles and not made_of_given):
            return Given(role, index)
        if made_of_given and isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] == "DataLoader":
            return Given(role, index)
        return None

    def _given_network(self, name: str, index: int | None, before: int) -> Given | None:
        resets = [i for i in range(0 if index is None else index, min(before, self.call)) if self._resets(i, name)]
        if resets:
            return Given("network", resets[-1])
        value, _ = (None, None) if index is None else bound_value(name, self.statements[index].node)
        if index is None or value is None or isinstance(value, ast.Constant):
            is_literal = isinstance(value, ast.Constant) and value.value is not None
            is_network = name in self.roles or (index is None and not is_literal)
            return Given("network", -1 if index is None else index) if is_network else None
        return None if self.comes_from_network(value) else Given("network", index)

    def _resets(self, index: int, name: str) -> bool:
        """Whether a statement gives a network the original model's weights."""
        loads = (
            n for n in ast.walk(self.statements[index].node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
        )
        return any(n.func.attr == "load_state_dict" and dotted(n.func).split(".")[0] == name for n in loads)  # type: ignore[attr-defined]

    def comes_from_network(self, value: ast.expr) -> bool:
        """Whether an expression makes its value of a network that has a name, and not anew."""
        called = {id(part) for call in ast.walk(value) if isinstance(call, ast.Call) for part in ast.walk(call.func)}
        owners = {id(c.func.value) for c in ast.walk(value) if isinstance(c, ast.Call) and isinstance(c.func, ast.Attribute)}
        return any(
            isinstance(node, ast.Name)
            and (id(node) not in called or id(node) in owners)
            and self.role(node.id) == "network"
            and node.id not in self.effects.modules | self.definitions.keys()
            for node in ast.walk(value)
        )

    def _is_made_of_given(self, index: int) -> bool | None:
        """Whether a statement can be executed with what the kit gives; None if it cannot be executed."""
        try:
            with self.tried():
                return self.include(index, index)
        except MissingError:
            return None

    @property
    def own_modules(self) -> set[str]:
        """Names of imported modules that are the notebook's own: no library has them."""
        imports = [s.node for s in self.statements if isinstance(s.node, ast.Import)]
        names = ((alias.name.partition(".")[0], alias.asname or alias.name) for node in imports for alias in node.names)
        return {name.partition(".")[0] for top, name in names if importlib.util.find_spec(top) is None}

    @contextmanager
    def tried(self) -> Iterator[None]:
        """Forget in the end what was found to be needed."""
        saved = copy.deepcopy(self.needed), dict(self.not_run)
        try:
            yield
        finally:
            self.needed, self.not_run = saved

    @contextmanager
    def kept_if_found(self) -> Iterator[None]:
        """Forget what was found to be needed if something of it cannot be had."""
        saved = copy.deepcopy(self.needed)
        try:
            yield
        except MissingError:
            self.needed = saved
            raise

    def refuses(self, value: ast.expr, in_run: bool = True) -> str | None:
        """Why an expression is not executed; None if it may be."""
        return refusal(Statement.made(0, ast.Expr(value)), self.definitions, self.competition, in_run)

    def _unbound(self, name: str, in_function: bool) -> None:
        if hasattr(builtins, name) or name.startswith(("__", ENVIRONMENT)):
            return
        stars = [i for i, s in enumerate(self.statements) if isinstance(s.node, ast.ImportFrom) and s.node.names[0].name == "*"]
        self.needed.at_top.update(stars)
        if not stars and not in_function:
            raise UnboundError(f"{name}, which nothing in the notebook binds")

    def include(self, index: int, before: int) -> bool:
        """Keep a statement and what it needs.

        Args:
            index: of the statement.
            before: of the statement that uses it; what a definition reads, it reads then.

        Returns:
            Whether it is executed in runs.

        Raises:
            MissingError: it needs what is not executed.
        """
        statement = self.statements[index]
        if index == self.call:
            return True  # what it is given is not what the notebook gives
        calls = any(isinstance(n, ast.Call) and dotted(n.func) == FUNCTION for n in ast.walk(statement.node))
        if calls and self.binding(FUNCTION, index) != self.binding(FUNCTION, self.call):
            raise EarlierError(f"what {statement} makes by an earlier {FUNCTION}")
        if isinstance(statement.node, DEFINITION):
            at_once = read_when_defined(statement.node) & statement.reads
            found = [self.demand(name, index) for name in sorted(at_once - {statement.node.name})]
            found += [self.demand(name, before, in_function=not statement.in_run) for name in sorted(statement.reads)]
            (self.needed.in_run if statement.in_run else self.needed.at_top).add(index)
            return statement.in_run or any(found)
        try:
            found = [self.demand(name, index) for name in sorted(statement.reads)]
        except UnboundError as error:
            if reason := refusal(statement, self.definitions, self.competition):
                raise MissingError(reason) from error
            raise
        for name in sorted(read_later(statement.node, self.definitions) if before > index else ()):
            with suppress(MissingError), self.kept_if_found():
                found.append(self.demand(name, before))
        in_run = statement.in_run or any(found)
        if reason := refusal(statement, self.definitions, self.competition, in_run):
            raise MissingError(reason)
        (self.needed.in_run if in_run else self.needed.at_top).add(index)
        return in_run

    def _changes(self, index: int, name: str, in_run: bool) -> bool:
        statement, changes = self.statements[index], self.effects.of_statements[index]
        if index == self.call or name in self.effects.modules or self.is_only_seeding(statement):
            return index == self.call and name in changes.surely | changes.perhaps | changes.forward
        if changes.any_global and not (self.role(name) or name in self.definitions or hasattr(builtins, name)):
            return True
        if self.role(name) in roles.SPLITS:
            return name in changes.surely  # to read a loader is not to change it
        trains = any(each.trains for each in self.effects.of_statements[self.call + 1 : index + 1])
        return name in changes.surely or (in_run and name in changes.perhaps | (changes.forward if trains else set()))

    def _include_change(self, index: int, in_run: bool, may_be_left: bool) -> bool:
        """Keep a statement that changes something; one that changes what is given may be left out, with a remark."""
        if index in self.needed.in_run | self.needed.at_top:
            return index in self.needed.in_run
        try:
            with self.kept_if_found():
                return self.include(index, index)
        except MissingError as error:
            if not may_be_left and not isinstance(error, EarlierError):
                raise
            self.not_run[index] = str(error)
            return in_run

    def is_only_seeding(self, statement: Statement) -> bool:
        """Whether a statement is there for seeding the global random generators."""
        return isinstance(statement.node, ast.Expr) and any(self.seeds.seeding(statement.node))

    def names_of(self, expression: ast.expr, before: int) -> bool:
        """Have what an expression reads at hand; whether any of it is bound in runs.

        Raises:
            MissingError: it needs what is not executed.
        """
        bound_in_run = [self.demand(name, before) for name in sorted(read_by(expression))]  # all of them
        return any(bound_in_run)
