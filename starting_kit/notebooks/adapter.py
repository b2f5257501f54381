"""What is to be done in place of a plain call of the notebook's `unlearning`, because the notebook does it around its call.

The loaders as the notebook sets them up, in its order, with what else it passes, in its contexts, and on to what is saved.
"""

import ast
from dataclasses import dataclass, field

from starting_kit import roles
from starting_kit.notebooks.call import Argument, Signature, network_names, returns_another
from starting_kit.notebooks.constants import value_of
from starting_kit.notebooks.loader_settings import Maker, Settings
from starting_kit.notebooks.mode import begins_in_training
from starting_kit.notebooks.needed import MissingError
from starting_kit.notebooks.slicing import Slice
from starting_kit.notebooks.statements import bound_value, dotted, read_by
from starting_kit.notebooks.way import FUNCTION, Context, Way

# Around a call these change nothing about what it does to the network.
HARMLESS_CONTEXTS = {
    *("open", "ZipFile", "tqdm", "trange", "TemporaryDirectory", "catch_warnings", "redirect_stdout", "suppress", "Timer"),
    *("NamedTemporaryFile", "profile", "record_function"),
}
SAME_NETWORK = {"to", "cpu", "cuda", "half", "float", "double", "bfloat16", "eval", "train", "deepcopy"}


@dataclass
class Plan:
    """What surrounds the call, as far as it is to be done.

    Args:
        way: of the notebook.
        found: finds what is needed of its statements.
        signature: of the notebook's function.
        arguments: of the call.
        maker: finds out how loaders are set up.

    Attributes:
        kept: arguments that are given as they are written.
        direct: those for which a parameter of ours is given, with that parameter's role.
        hyperparameters: names of parameters that keep a default, with the default.
        settings: of the loaders that are set up, by name or (for those without one) by role.
        contexts: those to be entered.
        result: the network that is saved, or its state.
        trains: whether the network is put into training mode first.
        remarks: on what is not done.
    """

    way: Way
    found: Slice
    signature: Signature
    arguments: list[Argument]
    maker: Maker
    kept: list[Argument] = field(default_factory=list)
    direct: list[Argument] = field(default_factory=list)
    hyperparameters: dict[str, ast.expr] = field(default_factory=dict)
    settings: dict[str, Settings] = field(default_factory=dict)
    contexts: list[Context] = field(default_factory=list)
    result: ast.expr | None = None
    trains: bool = False
    remarks: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The call, for people."""
        return str(self.way.route.hit)

    @property
    def network(self) -> ast.expr | None:
        """What the notebook gives as the network to be changed."""
        return next((argument.value for argument in self.arguments if argument.role == "network"), None)

    @property
    def in_run(self) -> list[int]:
        """Indices of the statements that are executed in every run besides the call."""
        return sorted(index for index in self.found.needed.in_run if index < self.way.end and index != self.found.call)

    def make(self) -> None:
        """Decide on all of it.

        Raises:
            MissingError: the call gives something that cannot be had, and that has no default.
        """
        for argument in self.arguments:
            if argument.role:
                self.found.roles |= dict.fromkeys(self._names(argument), argument.role)
        for argument in self.arguments:
            self._decide(argument)
        taken = {argument.parameter for argument in self.arguments}
        if all(argument.is_single for argument in self.kept):
            for name, default in self.signature.defaults.items():
                if name not in taken:
                    self.hyperparameters[name] = default
        hit = self.way.route.hit
        for name in sorted(hit.reads - self._read_by_call()):  # of a loop or a comprehension around the call
            self.found.demand(name, self.found.call)
        self.contexts = [context for context in self.way.route.contexts if self._keeps(context)]
        self.result = self._result(self.way.saved)
        self.trains = begins_in_training(self.way, self.found, self.network)
        self._set_up_loaders()

    def _read_by_call(self) -> frozenset[str]:
        return read_by(self.way.route.call)

    def _is_bound_around(self, value: ast.expr) -> bool:
        """Whether a value is made in the loop or comprehension around the call that is kept as a whole."""
        inside = {n.id for n in ast.walk(self.way.route.hit.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        targets = {
            n.id for t in getattr(self.way.route.hit.node, "targets", []) for n in ast.walk(t) if isinstance(n, ast.Name)
        }
        return bool(read_by(value) & (inside - targets))

    def _names(self, argument: Argument) -> set[str]:
        if argument.role == "network":
            return network_names(argument.value, self.found)
        return {argument.value.id} if isinstance(argument.value, ast.Name) else set()

    def _decide(self, argument: Argument) -> None:
        """Whether an argument is computed as it is written, or something of ours stands in for it."""
        value, call = argument.value, self.found.call
        same = [other for other in self.arguments if other.role and ast.dump(other.value) == ast.dump(value)]
        is_named = (isinstance(value, ast.Name) and len(same) < 2) or (
            argument.role == "network" and self.found.comes_from_network(value)
        )
        if self._is_bound_around(value):
            self.kept.append(argument)
            return
        if argument.role and not is_named:
            self.direct.append(argument)
            if {"retain", "forget"} <= {other.role for other in same}:
                self._note_one_for_all(value)
            elif argument.role != "network":
                self._note_settings(argument.role, self.maker.settings(value), value)
            return
        try:
            value = self._as_constant(argument)
            bound_in_run = self.found.names_of(value, call)
            if not argument.role and (reason := self.found.refuses(value, bound_in_run)):
                raise MissingError(reason.replace("cell 0: ", ""))
        except MissingError as error:
            self._missing(argument, error)
            return
        is_plain = argument.parameter and argument.parameter not in roles.by_position(self.signature.names)
        if is_plain and argument.parameter and not argument.role and not bound_in_run:
            self.hyperparameters[argument.parameter] = value
        else:
            self.kept.append(argument)

    def _as_constant(self, argument: Argument) -> ast.expr:
        """The value of an argument that follows from constants of the run, written down; else its expression."""
        in_run = set().union(*(s.binds for s in self.found.statements[: self.found.call] if s.in_run))
        if argument.role or not read_by(argument.value) & in_run:
            return argument.value
        value, known = value_of(argument.value, self.maker.constants)
        is_literal = known and (value is None or isinstance(value, bool | int | float | str))
        return ast.Constant(value) if is_literal else argument.value

    def _missing(self, argument: Argument, error: MissingError) -> None:
        text = ast.unparse(argument.value)
        if argument.role:
            self.direct.append(argument)
            self.remarks.append(f"{self.where} gives {text}, which needs {error}; the task's is given instead")
        elif isinstance(argument.value, ast.Starred):
            self._give_rest()
            self.remarks.append(f"{self.where} gives {text}, which is taken for the loaders in the order of the parameters")
        elif argument.parameter is None or argument.parameter in self.signature.defaults:
            name = f"{argument.parameter}={text}" if argument.parameter else text
            self.remarks.append(f"unlearning is called without {name}, which {self.where} gives it: it needs {error}")
        else:
            raise error

    def _give_rest(self) -> None:
        """Give the loaders that no other argument is."""
        of_names = roles.by_position(self.signature.names)
        left = [role for role in of_names.values() or roles.ROLES if role not in {a.role for a in self.arguments}]
        by_role = {role: name for name, role in of_names.items()}
        self.direct += [Argument(ast.Name(role), by_role.get(role), role in by_role, role) for role in left]

    def _note_one_for_all(self, value: ast.expr) -> None:
        """A call that has the same data forgotten and retained tries the function out; its loader is no submission's."""
        remark = f"{self.where} gives {ast.unparse(value)} as retain and forget data; the task's loaders are given instead"
        if remark not in self.remarks and not (isinstance(value, ast.Constant) and value.value is None):
            self.remarks.append(remark)

    def _note_settings(self, key: str, settings: Settings | None, value: ast.expr) -> None:
        if settings is None and not isinstance(value, ast.Constant | ast.Name):
            self.remarks.append(f"{self.where}: how {ast.unparse(value)} is made is not known, it is the task's loader")
        elif settings:
            self.settings[key] = settings
            for text in settings.left_out:
                self.remarks.append(f"{self.where}: {text} of {ast.unparse(value)} is not carried over to the loader")

    def _set_up_loaders(self) -> None:
        for name, given in self.found.needed.given.items():
            if given.role == "network" or given.since < 0:
                continue
            statement = self.found.statements[given.since]
            value, element = bound_value(name, statement.node)
            settings = self.maker.settings(value, element) if value else None
            if settings and (name in self.found.roles or not roles.is_data_set(name)):
                self._note_settings(name, settings, ast.Name(name))
            elif settings is None and not (isinstance(value, ast.Constant) and value.value is None):
                self.remarks.append(f"{statement}: how this makes {name} is not known, it is the task's")

    def _keeps(self, context: Context) -> bool:
        """Whether a context is entered around the call."""
        value = context.item.context_expr
        function = value.func if isinstance(value, ast.Call) else value
        name = self.found.seeds.dotted(function)
        last = dotted(function).rpartition(".")[2]
        if name.startswith("torch.") or name in self.found.definitions:
            try:
                self.found.names_of(value, self.found.call)
            except MissingError:
                pass
            else:
                return True
        if last not in HARMLESS_CONTEXTS:
            self.remarks.append(f"cell {context.cell}: with {ast.unparse(value)} around the call is left out")
        return False

    def _result(self, saved: ast.expr | None) -> ast.expr | None:
        """What is scored: what is saved, else what the call gives back or, where that is dropped, what it was given."""
        if saved is not None:
            value = self._without_state_dict(saved)
            try:
                self.found.names_of(value, self.way.end)
            except MissingError as error:
                self.remarks.append(f"what is saved ({ast.unparse(saved)}) needs {error}; the network after the call is scored")
            else:
                return value
        node = self.way.route.hit.node
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Tuple | ast.List):
            target = next((t for t in target.elts if roles.role_of(t) == "network"), target.elts[0])
        network = target if isinstance(target, ast.Name) else self.network
        if not isinstance(network, ast.Name):
            return None
        result = ast.Name(network.id, ast.Load())
        self.found.names_of(result, self.way.end)
        return result

    def _without_state_dict(self, saved: ast.expr) -> ast.expr:
        """The network whose state is saved, where the state is saved as it is."""
        if isinstance(saved, ast.Dict):  # {"model": net.state_dict(), "epoch": 3}
            states = [value for value in saved.values if ".state_dict(" in ast.unparse(value)]
            saved = states[0] if states else saved
        if isinstance(saved, ast.Name):
            index = self.found.binding(saved.id, self.way.end)
            value = None if index is None else bound_value(saved.id, self.found.statements[index].node)[0]
            changed = any(saved.id in c.surely for c in self.found.effects.of_statements[: self.way.end])
            saved = value if value is not None and _is_state(value) and not changed else saved
        if _is_state(saved):
            assert isinstance(saved, ast.Call) and isinstance(saved.func, ast.Attribute)
            return saved.func.value
        return saved

    def is_network(self, value: ast.expr) -> bool:
        """Whether an expression is certainly a network, and not its state."""
        match value:
            case ast.Name(name):
                node = self.way.route.hit.node
                targets = {n.id for t in getattr(node, "targets", []) for n in ast.walk(t) if isinstance(n, ast.Name)}
                return name in targets or name in self.found.roles or roles.role(name) == "network"
            case ast.Attribute(owner, "module"):
                return self.is_network(owner)
            case ast.Call(function, values) if dotted(function).rpartition(".")[2] in SAME_NETWORK:
                return any(map(self.is_network, [*values[:1], getattr(function, "value", ast.Constant(None))]))
        return False

    def gives_another(self) -> bool:
        """Whether the notebook's function may return another network than it is given."""
        return returns_another(self.found.definitions.get(FUNCTION))


def _is_state(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "state_dict"
