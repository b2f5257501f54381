"""How the notebook sets up a loader that it gives to `unlearning`: batch size, order, and what is not carried over."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starting_kit.notebooks.constants import assigned, value_of
from starting_kit.notebooks.rewriting import by_parameter
from starting_kit.notebooks.statements import DEFINITION, Statement, bound_value, dotted

ORDER = ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "num_workers", "collate_fn", "pin_memory", "drop_last")
COUNTS = {"batch_size": 1, "shuffle": False, "drop_last": False}  # settings that are carried over, with DataLoader's defaults
IGNORED = {
    *("dataset", "num_workers", "pin_memory", "timeout", "worker_init_fn", "multiprocessing_context", "prefetch_factor"),
    *("persistent_workers", "pin_memory_device"),
}
OF_KITS = {"batch_size": None, "shuffle": True, "drop_last": False}
BATCH_SIZES = ("batch_size", "bs", "batchsize", "BATCH_SIZE")


@dataclass
class Settings:
    """Of a loader.

    Attributes:
        values: batch_size (None for that of the competition's kits, which means the task's), shuffle, drop_last.
        left_out: arguments that are not carried over, as the notebook has them.
    """

    values: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def as_given(self) -> bool:
        """Whether the task's loader is such a loader."""
        return self.values == OF_KITS

    def name_values_of(self, given: Mapping[str, ast.expr]) -> None:
        """Write what a call gives to parameters in place of their names."""
        texts = {name: ast.unparse(value) for name, value in given.items()}
        pairs = (text.partition("=") for text in self.left_out)
        self.left_out = [f"{name}{sign}{texts.get(value, value)}" for name, sign, value in pairs]


class Maker:
    """Finds the call that makes a loader.

    Args:
        statements: of the notebook.
        constants: values of the notebook's names.
    """

    def __init__(self, statements: list[Statement], constants: Mapping[str, Any]) -> None:
        self.statements, self.constants = statements, constants
        self.functions = {s.node.name: s.node for s in statements if isinstance(s.node, ast.FunctionDef)}
        of_cifar = any("CIFAR10" in s.text for s in statements)
        self.sizes_of_kits = {64, 128} if of_cifar else {64}

    def settings(self, expression: ast.expr, element: int | str | None = None, depth: int = 6) -> Settings | None:
        """The settings of the loader that an expression gives, or of an element of it; None if they cannot be told."""
        found = self._find(expression, element, dict(self.constants), {}, depth)
        if found and found.values["batch_size"] in self.sizes_of_kits:
            found.values["batch_size"] = None
        return found

    def _find(
        self, node: ast.expr, element: Any, constants: dict[str, Any], local: Mapping[str, tuple[ast.expr, Any]], depth: int
    ) -> Settings | None:
        if not depth:
            return None
        match node:
            case ast.Call(function) if dotted(function).rpartition(".")[2] == "DataLoader":
                return _settings(node, constants)
            case ast.Call(ast.Name(name)) if name in self.functions:
                return self._of_function(self.functions[name], node, element, constants, depth - 1)
            case ast.Name(name) if name in local:
                value, inner = local[name]
                return self._find(value, element if inner is None else inner, constants, local, depth - 1)
            case ast.Name(name):
                made = [bound_value(name, s.node) for s in self.statements if name in s.binds]
                by, inner = next((each for each in reversed(made) if each[0] is not None), (None, None))
                return self._find(by, element if inner is None else inner, constants, {}, depth - 1) if by else None
            case ast.Tuple(elements) | ast.List(elements) if isinstance(element, int) and element < len(elements):
                return self._find(elements[element], None, constants, local, depth - 1)
            case ast.Dict(keys, values):
                for key, value in zip(keys, values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == element:
                        return self._find(value, None, constants, local, depth - 1)
            case ast.ListComp(inner) | ast.GeneratorExp(inner) | ast.DictComp(_, inner):
                return self._find(inner, None, constants, local, depth - 1)
            case ast.Subscript(owner, ast.Constant(key)):
                return self._find(owner, key, constants, local, depth - 1)
        return None

    def _of_function(
        self, function: ast.FunctionDef, call: ast.Call, element: Any, constants: dict[str, Any], depth: int
    ) -> Settings | None:
        """Of what a function of the notebook returns."""
        known = {**constants, **_parameters(function, call, constants)}
        local: dict[str, tuple[ast.expr, Any]] = {}
        returned: Settings | None = None
        for node in ast.walk(function):
            if isinstance(node, ast.stmt) and not isinstance(node, DEFINITION):
                for name, value in assigned(node):
                    constant, is_known = value_of(value, known) if value else (None, False)
                    if is_known:
                        known[name] = constant
                for target in getattr(node, "targets", []):
                    for part in ast.walk(target):
                        if isinstance(part, ast.Name):
                            value, inner = bound_value(part.id, node)
                            if value is not None:
                                local[part.id] = value, inner
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and node.value is not None:
                returned = self._find(node.value, element, known, local, depth)
        found = _alike(function, known) if returned is None else returned
        if found is not None:
            found.name_values_of(by_parameter(function, call))
        return found


def _alike(function: ast.FunctionDef, known: Mapping[str, Any]) -> Settings | None:
    """The settings of all loaders that a function makes, if they agree; where it makes none, its batch size says them."""
    calls = [n for n in ast.walk(function) if isinstance(n, ast.Call) and dotted(n.func).rpartition(".")[2] == "DataLoader"]
    if not calls:
        own = [a.arg for a in function.args.args if a.arg in BATCH_SIZES]
        sizes = [known[name] for name in own if isinstance(known.get(name), int)]
        return Settings({**OF_KITS, "batch_size": sizes[0]}) if sizes else None
    first, *others = (_settings(call, known) for call in calls)
    return first if not first.left_out and all(other == first for other in others) else None


def _parameters(function: ast.FunctionDef, call: ast.Call, constants: Mapping[str, Any]) -> dict[str, Any]:
    """The constant values among those that a call gives to a function's parameters, or that it has by default."""
    values = {name: value_of(value, constants) for name, value in by_parameter(function, call).items()}
    return {name: value for name, (value, known) in values.items() if known}


def _settings(call: ast.Call, constants: Mapping[str, Any]) -> Settings:
    given = dict(zip(ORDER, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
    settings = Settings(dict(COUNTS))
    settings.left_out += [ast.unparse(k) for k in call.keywords if k.arg is None]
    for name, value in given.items():
        constant, known = value_of(value, constants)
        if name in COUNTS and known and constant is not None:
            settings.values[name] = constant
        elif name == "dataset":
            if "ConcatDataset" in ast.unparse(value):
                settings.left_out.append(ast.unparse(value))
        elif name not in IGNORED and not (known and constant is None):
            settings.left_out.append(f"{name}={ast.unparse(value)}")
            settings.values |= {name: OF_KITS[name]} if name in OF_KITS else {}
            settings.values |= {"shuffle": True} if "sampler" in name else {}  # nearer to it than always the same order
    return settings
