"""Load a solution: its file, and the modules in its folder as the code there imports them.

A solution is loaded afresh for every model, so that nothing but the model's seed decides what becomes of it. The modules of
its folder are forgotten with it, sub-packages included. What it imports from elsewhere (the zoo, PyTorch, a library in another
folder that it puts on `sys.path`) stays loaded.

A module of the folder goes before any other of its name, as in a script: `import random` in a solution gives the `random.py`
beside it, and `import evaluation` an `evaluation.py`. Only the solution sees those. For PyTorch, the standard library and the
kit, the same statement keeps its usual meaning, even while the solution runs. Import statements look up `__import__` in the
builtins of their module, so each module of the folder gets builtins with an `__import__` that knows the folder.
"""

import ast
import builtins
import contextlib
import importlib
import importlib.util
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from starting_kit.errors import InputError

OUR_FOLDER = Path(__file__).resolve().parents[1]
OUR_PACKAGES = ("starting_kit", "solutions", "evaluation")


def load(path: Path) -> ModuleType:
    """Execute a solution's file as a fresh module; the files beside it can be imported, and are fresh, too.

    Raises:
        InputError: the file does not compile, or raises.
    """
    try:
        return _Folder(path).execute()
    except SyntaxError as error:
        raise InputError(f"{path} is not valid Python: {error.msg} (line {error.lineno}).") from error
    except (Exception, SystemExit) as error:
        raise InputError(f"{path} cannot be loaded: {describe_error(error, path)}.") from error


def describe_error(error: BaseException, path: Path) -> str:
    """An exception in half a sentence: its type, its message, and the deepest line of the solution's own files."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == path.parent]
    where = f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno}: {lines[-1].line})" if lines else ""
    message = str(error).splitlines()[0] if str(error) else "no message"
    return f"{type(error).__name__}: {message}{where}"


def file_of(name: str, folder: Path) -> Path | None:
    """The file in a folder that defines a module, given its full name; None if there is none."""
    stem = f"{folder}/{name.replace('.', '/')}"
    return next((file for file in (Path(f"{stem}/__init__.py"), Path(f"{stem}.py")) if file.is_file()), None)


def is_beside(name: str, members: Iterable[str], folder: Path) -> bool:
    """Whether an import in a folder means a module of that folder.

    A folder without `__init__.py` is meant only if the import names a module in it: a `logging/` beside a solution may hold
    logs.

    Args:
        name: of the module.
        members: names imported from it.
        folder: where the importing file lies.
    """
    top = name.partition(".")[0]
    if top in sys.builtin_module_names or (folder == OUR_FOLDER and top in OUR_PACKAGES):
        return False
    if file_of(top, folder):
        return True
    return (folder / top).is_dir() and any(file_of(f"{name}.{member}".rstrip("."), folder) for member in ("", *members))


@lru_cache(maxsize=256)
def imports(text: str, package: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The modules that a text imports, each with the names imported from it.

    Calls of `import_module` and `__import__` count if they name the module literally.

    Args:
        text: of a Python file.
        package: that the file belongs to, for relative imports; empty if none.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(text)):
        with contextlib.suppress(ImportError):  # relative to nothing
            match node:
                case ast.Import(names):
                    found += ((alias.name, ()) for alias in names)
                case ast.ImportFrom(module, names, level):
                    name = importlib.util.resolve_name("." * level + (module or ""), package)
                    found.append((name, tuple(alias.name for alias in names)))
                case ast.Call(
                    ast.Name("import_module" | "__import__") | ast.Attribute(_, "import_module"), [ast.Constant(str(name)), *_]
                ):
                    found.append((importlib.util.resolve_name(name, package), ()))
    return tuple(found)


class _Folder:
    """The folder of a solution, for one load of it.

    Its modules have their ordinary names in `sys.modules`, where pickles and dataclasses look classes up, unless a name is
    taken by a module from elsewhere: then they are submodules of a package that stands for the folder.

    Attributes:
        modules: those of the folder that have been imported, by name, while another folder is active.
        names: of all modules that have been found in the folder.
        paths: entries of `sys.path` that are there for the solution.
        outside: the others.
    """

    active: "_Folder | None" = None  # the one whose modules are in `sys.modules`

    def __init__(self, solution: Path) -> None:
        self.solution, self.folder = solution, solution.parent
        self.modules: dict[str, ModuleType] = {}
        self.names: set[str] = set()
        self.paths = [str(self.folder)]  # last, for processes that a solution starts
        self.builtins = {**vars(builtins), "__import__": self.import_}
        self.package = ModuleType("".join(c if c.isalnum() else "_" for c in f"beside_{solution.stem}"))
        self.package.__path__ = [str(self.folder)]

    def execute(self) -> ModuleType:
        """Load the solution itself."""
        self.activate()
        sys.path_importer_cache.pop(str(self.folder), None)  # it may be too young to know the folder's newest file
        before = Counter(sys.path)
        name = f"solution_{self.solution.stem}"
        spec = importlib.util.spec_from_file_location(
            name, self.solution, loader=_Loader(name, str(self.solution), self.builtins)
        )
        assert spec is not None and spec.loader is not None, self.solution
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        finally:
            self.paths += (Counter(sys.path) - before).elements()
        return module

    def activate(self) -> None:
        """Make the folder's modules the ones that can be imported, instead of another folder's."""
        if _Folder.active is self:
            return
        if _Folder.active is not None:
            _Folder.active.leave()
        _Folder.active = self
        self.outside = frozenset(sys.path)
        sys.meta_path.insert(0, self)
        sys.path.extend(self.paths)
        sys.modules.update(self.modules, **{self.package.__name__: self.package})

    def leave(self) -> None:
        """Take the folder's modules out of `sys.modules`."""
        sys.meta_path.remove(self)
        for entry in self.paths:
            if entry in sys.path:
                sys.path.remove(entry)
        self.modules = {name: sys.modules.pop(name) for name in self.names if name in sys.modules}
        del sys.modules[self.package.__name__]

    @property
    def places(self) -> list[Path]:
        """The folder, and folders in it that the solution has put on `sys.path`."""
        added = (Path(entry).resolve() for entry in sys.path if entry not in self.outside)
        return [self.folder, *(place for place in added if self.folder in place.parents)]

    def import_(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What an import statement in one of the folder's modules gives (arguments of `builtins.__import__`)."""
        self.activate()
        if level == 0 and self.is_hidden(name, fromlist or ()):
            module = builtins.__import__(f"{self.package.__name__}.{name}", globals, locals, fromlist or (), 0)
            return module if fromlist else sys.modules[f"{self.package.__name__}.{name.partition('.')[0]}"]
        module = builtins.__import__(name, globals, locals, fromlist or (), level)
        return self.importlib() if module is importlib else module

    def importlib(self) -> ModuleType:
        """`importlib`, whose `import_module` imports like a statement in the folder."""

        def import_module(name: str, package: str | None = None) -> ModuleType:
            self.activate()
            name = importlib.util.resolve_name(name, package)
            return importlib.import_module(f"{self.package.__name__}.{name}" if self.is_hidden(name) else name)

        own = ModuleType("importlib")
        vars(own).update(vars(importlib), import_module=import_module, __getattr__=partial(getattr, importlib))
        return own

    def is_hidden(self, name: str, members: Iterable[str] = ()) -> bool:
        """Whether an import means a module of the folder that cannot have its ordinary name, because that is taken."""
        top = name.partition(".")[0]
        if top == self.solution.stem:  # a solution called `copy.py` may import the standard library's
            return False
        return any(is_beside(name, members, place) for place in self.places) and self.is_taken(top)

    def is_taken(self, name: str) -> bool:
        """Whether the name of a module in the folder is also that of one from elsewhere."""
        if name in self.names:
            return False
        if name in sys.modules or name in sys.stdlib_module_names:
            return True
        found = (finder.find_spec(name, None) for finder in sys.meta_path if finder is not self)
        origin = next((spec.origin for spec in found if spec is not None), None)
        return origin is not None and Path(origin).resolve() not in [file_of(name, place) for place in self.places]

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module in the folder (called by Python's import system, for what is not in `sys.modules`)."""
        parent = name.rpartition(".")[0]
        if parent and parent not in (self.package.__name__, *self.names):
            return None
        spec = PathFinder.find_spec(name, path if parent else [str(place) for place in self.places])
        if spec is None or (not parent and self.is_taken(name)):
            return None
        self.names.add(name)
        if isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path, self.builtins)
        return spec


class _Loader(SourceFileLoader):
    """Loads a module with builtins of its own, and always from its text: a compiled file may be as old as an earlier text."""

    def __init__(self, name: str, path: str, own_builtins: dict[str, Any]) -> None:
        super().__init__(name, path)
        self.builtins = own_builtins

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self.builtins
        super().exec_module(module)

    def get_code(self, fullname: str) -> CodeType:
        return _compiled(self.get_data(self.path), self.path)


@lru_cache(maxsize=128)
def _compiled(text: bytes, path: str) -> CodeType:
    """Every load of a solution compiles the same texts."""
    code: CodeType = compile(text, path, "exec", dont_inherit=True)
    return code
