"""Load a solution: its file, and the modules in its folder as the code there imports them.

A solution is loaded afresh for every model, so that nothing but the model's seed decides what becomes of it. The modules of
its folder are forgotten with it, sub-packages included, and so are those of other folders that it puts on `sys.path`, in
whatever way they were imported. What it imports from elsewhere (the zoo, PyTorch, installed packages) stays loaded.

A module of the folder goes before any other of its name, as in a script: `import random` in a solution gives the `random.py`
beside it, and `import evaluation` an `evaluation.py`. Only the solution sees those. For PyTorch, the standard library and the
kit, the same statement keeps its usual meaning, even while the solution runs. Import statements look up `__import__` in the
builtins of their module, so each module of the folder gets builtins with an `__import__` that knows the folder.

What is executed when a module is loaded leaves the global random generators as they were: a seed there would make all models
one.
"""

import builtins
import importlib
import importlib.util
import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from starting_kit.errors import InputError, first_line
from starting_kit.imports import file_of, is_beside, is_ours, is_own
from starting_kit.own_folder import meant_by


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
    lines = own_lines(error, path)
    where = f" ({lines[-1].filename}, line {lines[-1].lineno}: {lines[-1].line})" if lines else ""
    return f"{type(error).__name__}: {first_line(error)}{where}{_hint(error, path.parent)}"


def own_lines(error: BaseException, path: Path) -> list[traceback.FrameSummary]:
    """Where an exception passed through the solution's own files, which are named relative to its folder."""
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        file = path.parent / frame.filename  # relative where a call has executed its copy of a file
        if is_own(file, path.parent) and not frame.filename.startswith("<"):
            name = os.path.relpath(file, path.parent)
            lines.append(traceback.FrameSummary(name, frame.lineno, frame.name, line=frame.line))
    return lines


def _hint(error: BaseException, folder: Path) -> str:
    """What to do about a file that lies beside the solution and that a call does not see."""
    name = getattr(error, "filename", None)
    if (
        isinstance(error, FileNotFoundError)
        and isinstance(name, str)
        and (folder / name).exists()
        and not Path(name).is_absolute()
    ):
        return f"; a call sees a file beside the solution if its code has the whole name in one string, like {name!r}"
    return ""


def step_aside() -> None:
    """Take the modules of the solution that was loaded last out of `sys.modules`, and its folders out of `sys.path`."""
    if _Folder.active is not None:
        _Folder.active.leave()


def loaded_files() -> set[Path]:
    """The solution's own files, among them helpers, that have been imported since it was loaded last."""
    return set() if _Folder.active is None else set(_Folder.active.own_modules().values())


def drew_while_loading() -> bool:
    """Whether the solution that was loaded last drew random numbers then, or seeded a global generator."""
    return _Folder.active is not None and _Folder.active.drew


class _Folder:
    """The folder of a solution, for one load of it.

    Its modules have their ordinary names in `sys.modules`, where pickles and dataclasses look classes up, unless a name is
    taken by a module from elsewhere: then they are submodules of a package that stands for the folder.

    Attributes:
        modules: those of the folder that have been imported, by name, while another folder is active.
        names: of all modules that have been found in the folder.
        paths: entries of `sys.path` that are there for the solution.
        first: the folder, and folders that the solution puts first on `sys.path`, or that lie in its own.
        last: other folders that it puts on `sys.path`.
        drew: whether a module of it drew or seeded random numbers when it was executed.
    """

    active: "_Folder | None" = None  # the one whose modules are in `sys.modules`

    def __init__(self, solution: Path) -> None:
        self.solution, self.folder = solution, solution.parent
        self.modules: dict[str, ModuleType] = {}
        self.names: set[str] = set()
        self.paths = [str(self.folder)]  # last, for processes that a solution starts
        self.first, self.last = [self.folder], list[Path]()
        self.drew = False
        self.builtins = {**vars(builtins), "__import__": self.import_}
        self.package = ModuleType("".join(c if c.isalnum() else "_" for c in f"beside_{solution.stem}"))
        self.package.__path__ = [str(self.folder)]

    def execute(self) -> ModuleType:
        """Load the solution itself."""
        self.activate()
        sys.path_importer_cache.pop(str(self.folder), None)  # it may be too young to know the folder's newest file
        before = Counter(sys.path)
        name = f"solution_{self.solution.stem}"
        spec = importlib.util.spec_from_file_location(name, self.solution, loader=_Loader(name, str(self.solution), self))
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
        self.known, self.seen = frozenset(sys.modules), {*sys.path, *self.paths}
        sys.meta_path.insert(0, self)
        sys.path.extend(self.paths)
        sys.modules.update(self.modules, **{self.package.__name__: self.package})

    def leave(self) -> None:
        """Take the folder's modules out of `sys.modules`."""
        _Folder.active = None
        sys.meta_path.remove(self)
        for entry in self.paths:
            if entry in sys.path:
                sys.path.remove(entry)
        self.modules = {name: sys.modules.pop(name) for name in {*self.names, *self.own_modules()} if name in sys.modules}
        sys.modules.pop(self.package.__name__)

    def own_modules(self) -> dict[str, Path]:
        """The solution's modules that were imported, in whatever way, with their files."""
        modules = {name: getattr(sys.modules[name], "__file__", None) for name in sys.modules.keys() - self.known}
        files = {name: meant_by(file, self.folder) for name, file in modules.items() if isinstance(file, str)}
        places = self.places()
        own = {name: file for name, file in files.items() if any(is_own(file, place) for place in places) and not is_ours(file)}
        self.names |= own.keys()  # a copy that a call has executed is not recognised when the call is over
        return own

    def places(self) -> list[Path]:
        """Where the solution's modules may lie, after a look at what it has put on `sys.path`."""
        ours = next((i for i, entry in enumerate(sys.path) if entry in self.seen), len(sys.path))
        for i, entry in enumerate(sys.path):
            if entry not in self.seen:
                place = meant_by(entry, self.folder)
                if place.is_dir() and not ({"site-packages", "dist-packages"} & set(place.parts) or is_ours(place)):
                    (self.first if i < ours or self.folder in place.parents else self.last).append(place)
        self.seen |= set(sys.path)
        return [*self.first, *self.last]

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
        self.places()
        return any(is_beside(name, members, place) for place in self.first) and self.is_taken(top)

    def is_taken(self, name: str) -> bool:
        """Whether the name of a module in the folder is also that of one from elsewhere."""
        if name in self.names:
            return False
        if name in sys.modules or name in sys.stdlib_module_names:
            return True
        found = (finder.find_spec(name, None) for finder in sys.meta_path if finder is not self)
        origin = next((spec.origin for spec in found if spec is not None), None)
        return origin is not None and meant_by(origin, self.folder) not in [file_of(name, place) for place in self.places()]

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module in the folder (called by Python's import system, for what is not in `sys.modules`)."""
        parent = name.rpartition(".")[0]
        if parent and parent not in (self.package.__name__, *self.names):
            return None
        at_top = parent in ("", self.package.__name__)
        spec = PathFinder.find_spec(name, [str(place) for place in self.places()] if at_top else path)
        if spec is None or (not parent and self.is_taken(name)):
            return None
        if spec.origin and is_ours(Path(spec.origin)) and not is_ours(self.folder):  # its folder holds the project
            return None
        self.names.add(name)
        if isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path, self)
        return spec


class _Loader(SourceFileLoader):
    """Loads a module with its folder's builtins, and always from its text: a compiled file may be as old as an earlier text."""

    def __init__(self, name: str, path: str, folder: _Folder) -> None:
        super().__init__(name, path)
        self.folder = folder

    def exec_module(self, module: ModuleType) -> None:
        from starting_kit.generators import fingerprint, random_state_restored  # PyTorch, which describing needs not load

        vars(module)["__builtins__"] = self.folder.builtins
        with random_state_restored():
            before = fingerprint()
            try:
                super().exec_module(module)
            finally:
                self.folder.drew |= fingerprint() != before

    def get_code(self, fullname: str) -> CodeType:
        return _compiled(self.get_data(self.path), self.path)


@lru_cache(maxsize=128)
def _compiled(text: bytes, path: str) -> CodeType:
    """Every load of a solution compiles the same texts."""
    code: CodeType = compile(text, path, "exec", dont_inherit=True)
    return code
