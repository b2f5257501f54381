"""Where Python text seeds the global random generators.

Every model has a seed of its own. Code that seeds when its file is loaded, or around the call of `unlearning`, makes all models
one; code that seeds inside `unlearning` means that, and should know what it means.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from starting_kit.varying import VARYING, Varying

SEEDING = {
    *("random.seed", "numpy.random.seed"),
    *("torch.manual_seed", "torch.random.manual_seed", "torch.default_generator.manual_seed"),
    *(f"torch.{device}.{name}" for device in ("cuda", "mps", "xpu") for name in ("manual_seed", "manual_seed_all")),
}
# Of functions whose text is not at hand only the name is known: seed_everything, set_seed, fix_random_seeds.
BY_NAME = re.compile(
    r"(seed|fix|set|setup|init|manual)(_(the|all|random|torch|global|everything|manual|rng|seeds?))*_?(all|everything|seeds?)"
)
# A generator of one's own that starts from a number.
GENERATORS = {"numpy.random.default_rng", "numpy.random.RandomState", "random.Random"}


@dataclass(frozen=True)
class Names:
    """What names mean in Python text.

    Attributes:
        imported: dotted names that imports and assignments such as `seed = torch.manual_seed` stand for.
        defined: functions and classes at the top level.
    """

    imported: dict[str, str] = field(default_factory=dict)
    defined: dict[str, ast.stmt] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: ast.Module) -> "Names":
        """What they mean in a syntax tree."""
        names = cls()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    names.imported[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom):
                names.imported.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
        for statement in _statements(tree.body):
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.defined[statement.name] = statement
            elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Name | ast.Attribute):
                meant = names.dotted(statement.value)
                for target in statement.targets:
                    if isinstance(target, ast.Name) and meant in SEEDING:
                        names.imported[target.id] = meant
        return names

    def dotted(self, function: ast.expr) -> str:
        """The full name of a function; empty if it is not one of a module's or a plain name."""
        parts: list[str] = []
        while isinstance(function, ast.Attribute):
            parts.append(function.attr)
            function = function.value
        if not isinstance(function, ast.Name) or (parts and function.id not in self.imported):
            return ""
        return ".".join([self.imported.get(function.id, function.id), *reversed(parts)])

    def seeds(self, call: ast.Call) -> bool:
        """Whether a call itself seeds the global generators with a number of its own."""
        name = self.dotted(call.func)
        if name in SEEDING:
            return self._fixed(call)
        return name not in self.defined and BY_NAME.fullmatch(name.rpartition(".")[2]) is not None

    def makes_generator(self, call: ast.Call) -> bool:
        """Whether a call makes, or seeds, a generator of its own that starts from a number."""
        of_torch = isinstance(call.func, ast.Attribute) and call.func.attr == "manual_seed" and not self.dotted(call.func)
        return (of_torch or self.dotted(call.func) in GENERATORS) and self._fixed(call)

    def _fixed(self, call: ast.Call) -> bool:
        """Whether a seed is given, and does not differ from run to run by itself."""
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if not given or (isinstance(given[0], ast.Constant) and given[0].value is None):
            return False
        inner = (node for value in given for node in ast.walk(value) if isinstance(node, ast.Call))
        return not any(VARYING.match(self.dotted(node.func)) for node in inner)

    def seeding(self, node: ast.AST, seen: frozenset[str] = frozenset()) -> Iterator[ast.Call]:
        """Calls in a piece of code that seed the global generators, by themselves or by what they call."""
        for call in _calls(node):
            name = self.dotted(call.func)
            definition = None if name in seen else self.defined.get(name)
            if self.seeds(call) or (definition is not None and any(self.seeding(definition, seen | {name}))):
                yield call


def seeding_at_top(text: str) -> list[tuple[int, str]]:
    r"""Where Python text seeds the global generators when it is loaded: line and text of each call.

    Functions of the text that are called there are followed; what stands under `if __name__ == "__main__":` is not executed.

    >>> seeding_at_top("from torch import manual_seed\nmanual_seed(42)")
    [(2, 'manual_seed(42)')]
    """
    tree = ast.parse(text)
    names = Names.of(tree)
    calls = (call for statement in _statements(tree.body) for part in _own(statement) for call in names.seeding(part))
    return _places(calls)


def seeding_inside(text: str, function: str = "unlearning") -> list[tuple[int, str]]:
    r"""Where a function of Python text, or one that it uses, seeds random numbers: line and text of each call.

    Generators of one's own count, too, if they start from a number: in the function, or at the top level, where they start
    anew whenever the text is loaded.

    >>> seeding_inside("import random\ndef unlearning(net):\n    help()\ndef help():\n    random.seed(0)")
    [(5, 'random.seed(0)')]
    """
    inside, at_top = _seeding_of(ast.parse(text), function)
    return _places([*inside, *at_top])


def fixing(text: str, function: str = "unlearning") -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    r"""Where it gives all runs the same random numbers: inside the function, and by generators made at the top level.

    What follows from a clock or from the seed of the run differs from run to run, through names and calls as well.

    >>> fixing("import numpy as np\nrng = np.random.default_rng(7)\ndef unlearning(net):\n    rng.shuffle(net)")
    ([], [(2, 'np.random.default_rng(7)')])
    """
    tree = ast.parse(text)
    varies = Varying(tree, Names.of(tree).dotted).varies
    inside, at_top = ([call for call in calls if not _is_seeded_by(call, varies)] for calls in _seeding_of(tree, function))
    return _places(inside), _places(at_top)


def _is_seeded_by(call: ast.Call, holds: Callable[[ast.expr], bool]) -> bool:
    return any(holds(value) for value in [*call.args, *(keyword.value for keyword in call.keywords)])


def _seeding_of(tree: ast.Module, function: str) -> tuple[list[ast.Call], list[ast.Call]]:
    """Calls that seed: in a function or in what it uses, and of generators at the top level that it uses."""
    names = Names.of(tree)
    bound = {name: statement for statement in _statements(tree.body) for name in _targets(statement)}
    waiting, seen = [function], set()
    inside: list[ast.Call] = []
    at_top: list[ast.Call] = []
    while waiting:
        name = waiting.pop()
        definition = names.defined.get(name)
        node = definition or bound.get(name)
        if name in seen or node is None:
            continue
        seen.add(name)
        is_inside = definition is not None or any(isinstance(n, ast.Lambda) for n in ast.walk(node))
        calls = [c for c in _calls(node) if names.makes_generator(c) or (is_inside and names.seeds(c))]
        (inside if is_inside else at_top).extend(calls)
        waiting += [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    return inside, at_top


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements that are executed with these, those in blocks included, definitions not entered."""
    for statement in body:
        if isinstance(statement, ast.If) and "__main__" in ast.unparse(statement.test):
            yield from _statements(statement.orelse)
            continue
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for name in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(statement, name, []))
            for handler in getattr(statement, "handlers", []):
                yield from _statements(handler.body)
            for case in getattr(statement, "cases", []):
                yield from _statements(case.body)


def _own(statement: ast.stmt) -> Iterator[ast.AST]:
    """The parts of a statement that are no statements: they are executed with it."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from [*statement.decorator_list, *statement.args.defaults]
    elif isinstance(statement, ast.ClassDef):
        yield from statement.body
    else:
        yield from (child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.expr | ast.withitem))


def _targets(statement: ast.stmt) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _calls(node: ast.AST) -> list[ast.Call]:
    return [call for call in ast.walk(node) if isinstance(call, ast.Call)]


def _places(calls: "Iterator[ast.Call] | list[ast.Call]") -> list[tuple[int, str]]:
    return sorted({(call.lineno, ast.unparse(call)) for call in calls})
