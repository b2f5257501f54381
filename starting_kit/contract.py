"""What a solution is: find it, load it, describe it.

A solution is a Python file that defines

    unlearning(net, retain_loader, forget_loader, val_loader)

It changes `net` in place and returns nothing, or returns a network. Further parameters have defaults, and are its
hyper-parameters. A constant `BATCHES = "tuple"` or `"dict"` says which batches it reads; where there is none, a dry
call with each format finds out (`starting_kit.dry_calls`). A constant `LOCKSTEP = False` says that it is to be called
for one model at a time, and saves the trial calls that would find out whether it may be called for several. A constant
`SEARCH_SPACE` gives the ranges in which hyper-parameters may be fitted to a task (`starting_kit.search_space`).

The loaders' `.dataset` has, besides its length, `classes` (labels that occur in it), `image_shape`, `pixel_mean` and
`pixel_std` (what the network normalises with) and `pixel_range` (the least and the greatest value that a pixel can have).
Under --data-free it has nothing else: no image and no label can be read.

The file is loaded afresh for every model, and so is every module of its folder that it imports (`starting_kit.loading`). A call
works in a folder of its own, with copies of those files beside the solution that its code names (`starting_kit.surroundings`).

A solution that makes images up may define a second function of the same parameters, for `score.py --pictures`:

    pictures(net, retain_loader, forget_loader, val_loader)

It returns images in pixel values, a tensor [rows, columns, channels, height, width].

A solution that unlearns what only its own training makes defines that too,

    train(task, seed, data, examples)

with the same hyper-parameters. It gives a network trained on the examples with those ids, and all models are made by it.
"""

import ast
import dataclasses
import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from starting_kit import author_remarks, roles, search_space, transferred
from starting_kit.errors import InputError, did_you_mean
from starting_kit.imports import PROJECT as PROJECT
from starting_kit.imports import ZOO as ZOO
from starting_kit.loading import drew_while_loading, load, loaded_files
from starting_kit.sources import data_files, name_of, sources
from starting_kit.streams import printed
from starting_kit.tasks.task import Task

BatchFormat = Literal["tuple", "dict"]

TRAINER = ["task", "seed", "data", "examples"]  # parameters by which a solution's own trainer is told from any other `train`


@dataclass(frozen=True)
class Solution:
    """A solution as found on disk.

    Attributes:
        name: the file's name without its ending.
        path: the file.
        sources: text of the file and of the files that it imports from beside it, the zoo and the kit, by name; they determine
            what it does.
        hyperparameters: all values in use, ready for JSON.
        overrides: those that differ from the defaults, as they are passed.
        settings: those of them that the user has set.
        origin: whether the others were fitted to a task, or carried over to it; None for the defaults.
        search_space: ranges of those that may be tuned.
        batches: the batches it declares, or None.
        trains: whether it brings its own trainer.
        lockstep: whether it may be tried for several models at once.
        pictures: whether it defines `pictures`.
        files: digests of the files beside it that its sources name; they determine what it does, too.
        draws: whether it draws or seeds random numbers while it is loaded, which changes nothing of what it draws later.
        remarks: what its author should know, in sentences.
        loader_batch_size: of the loaders that it gets; None for the task's.
        published: an epoch where its values were published.
    """

    name: str
    path: Path
    sources: dict[str, str]
    hyperparameters: dict[str, Any]
    overrides: dict[str, Any]
    settings: dict[str, Any]
    origin: Literal["tuned", "transferred"] | None
    search_space: dict[str, search_space.Range]
    batches: BatchFormat | None
    trains: bool = False
    lockstep: bool = True
    pictures: bool = False
    files: dict[str, str] = field(default_factory=dict)
    draws: bool = False
    remarks: tuple[str, ...] = ()
    loader_batch_size: int | None = None
    published: transferred.Published = transferred.COMPETITION

    @property
    def visible(self) -> list[str]:
        """Names, relative to its folder, of files that it sees there in a call."""
        return [*self.sources, *self.files]

    @property
    def source_of_values(self) -> Literal["published", "author", "tuned", "transferred"]:
        """Where the values come from that the user has not set; the defaults of a file of one's own are its author's."""
        return self.origin or ("published" if self.path.parent == ZOO else "author")

    def given(self, task: Task) -> Task:
        """A task, with the batch size of the loaders that this solution gets."""
        return task if self.loader_batch_size is None else dataclasses.replace(task, loader_batch_size=self.loader_batch_size)

    def with_values(self, values: dict[str, Any]) -> "Solution":
        """The same with other values for hyper-parameters that may be tuned."""
        changed = {name: value for name, value in values.items() if value != self.search_space[name].default}
        return dataclasses.replace(self, overrides=changed, hyperparameters=_shown({**self.hyperparameters, **values}))


def zoo() -> list[str]:
    """Names of the solutions that come with the project."""
    return sorted(path.stem for path in ZOO.glob("*.py") if path.stem != "__init__")


def find(name_or_path: str, endings: tuple[str, ...] = (".py",)) -> Path:
    """The file of a solution, by its name in the zoo or by its path.

    Args:
        name_or_path: what the user gave.
        endings: of files that will do.

    Raises:
        InputError: no such solution, or a user's file has the name of a solution of the zoo.
    """
    if name_or_path in zoo():
        return ZOO / f"{name_or_path}.py"
    path = Path(name_or_path).expanduser().resolve()
    if path.suffix not in endings:
        hint = (
            did_you_mean(name_or_path, zoo()) or f" A file of your own is given by its path, ending in {' or '.join(endings)}."
        )
        raise InputError(f"There is no solution {name_or_path!r}; the zoo has {', '.join(zoo())}.{hint}")
    if not path.is_file():
        raise InputError(f"There is no file {path}; give the path of a solution, or one of {', '.join(zoo())}.")
    if path.stem in zoo() and path.parent != ZOO:
        raise InputError(f"{path} has the name of a solution of the zoo; rename it, or their scorecards would mix.")
    return path


def describe(path: Path, settings: Sequence[str], tuned: dict[str, Any] | None = None, retain: int | None = None) -> Solution:
    """Load a solution, check that its `unlearning` has the right parameters, and apply values to them.

    Args:
        path: the file.
        settings: of the user, `name=value`.
        tuned: values that were fitted to a task, from JSON; settings go before them.
        retain: how many retain examples a task has to which the published values are to be carried over; None to leave them.

    Raises:
        InputError: it cannot be loaded, defines no `unlearning`, or one with other parameters; its `train` has others than
            that; or a value is wrong.
    """
    path = path.absolute()  # a call has a working directory of its own
    module, texts, files, draws = _load_once(path)
    function = getattr(module, "unlearning", None)
    if not callable(function):
        raise InputError(f"{path} defines no function unlearning(net, retain_loader, forget_loader, val_loader).")
    batches, lockstep = _constants(module, path)
    defaults = _hyperparameters(path, function)
    space = search_space.parse(getattr(module, "SEARCH_SPACE", {}), defaults, path)
    trains = _has_trainer(module, path, defaults, space)
    known = transferred.published(getattr(module, "METADATA", None))
    carried_over = {} if retain is None else known.values(defaults, retain)
    fitted = _fitted(path, defaults, tuned or carried_over)
    usual = {**defaults, **fitted}
    chosen = {name: value for name, value in parse_settings(defaults, settings).items() if value != usual[name]}
    values = {**usual, **chosen}
    given = {**fitted, **chosen}  # only these are compared: a default may be any object, a tensor of class weights say
    overrides = {name: value for name, value in given.items() if value != defaults[name]}
    constants = batches, trains, lockstep, callable(getattr(module, "pictures", None))
    origin: Literal["tuned", "transferred"] | None = "transferred" if retain else None if tuned is None else "tuned"
    found = Solution(path.stem, path, texts, _shown(values), overrides, chosen, origin, space, *constants)
    seeds = author_remarks.on_seeds_at_top(path, texts)
    remarks = (*seeds, *author_remarks.on_calls(path, texts[name_of(path, path.parent)]))
    size = None if retain is None else known.loader_batch_size(retain)
    found = dataclasses.replace(found, loader_batch_size=size, published=known)
    return dataclasses.replace(found, files=files, draws=draws or bool(seeds), remarks=remarks)


def _constants(module: ModuleType, path: Path) -> tuple[BatchFormat | None, bool]:
    """What a solution says of the batches that it reads, and of lockstep."""
    batches = getattr(module, "BATCHES", None)
    if batches not in (None, "tuple", "dict"):
        raise InputError(f'{path} sets BATCHES = {batches!r}; it must be "tuple" or "dict".')
    lockstep = getattr(module, "LOCKSTEP", True)
    if not isinstance(lockstep, bool):
        raise InputError(f"{path} sets LOCKSTEP = {lockstep!r}; it must be True or False.")
    return batches, lockstep


def _load_once(path: Path) -> tuple[ModuleType, dict[str, str], dict[str, str], bool]:
    """A solution's module, its sources, the digests of its data files, and whether it draws random numbers meanwhile."""
    from starting_kit.surroundings import surroundings  # needs PyTorch, which who only names solutions does without

    texts = sources(path)
    with surroundings(path, [*texts, *data_files(path, texts)]), printed():
        module = load(path)
        loaded = loaded_files()
    texts = sources(path, loaded=[file for file in loaded if file.suffix == ".py"])
    return module, texts, data_files(path, texts, loaded), drew_while_loading()


def _has_trainer(module: ModuleType, path: Path, defaults: dict[str, Any], space: dict[str, search_space.Range]) -> bool:
    """Whether a solution brings its own trainer, which must fit its `unlearning`."""
    function = getattr(module, "train", None)
    parameters = list(inspect.signature(function).parameters.values()) if inspect.isfunction(function) else []
    if [p.name for p in parameters[:4]] != TRAINER:
        return False
    if _shown({p.name: p.default for p in parameters[4:]}) != _shown(defaults):
        raise InputError(
            f"{path}: after ({', '.join(TRAINER)}) train must have the hyper-parameters of unlearning, with the same defaults."
        )
    if space:
        raise InputError(
            f"{path} brings its own trainer, so it cannot be tuned: other values would make other retrained models, too; "
            "remove SEARCH_SPACE."
        )
    return True


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    """Values ready for JSON. One may be any object; the sources say which, so for people its type will do."""
    shown: dict[str, Any] = json.loads(json.dumps(values, default=lambda value: f"<{type(value).__name__}>"))
    return shown


def _fitted(path: Path, defaults: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Values from JSON, as `unlearning` takes them."""
    if unknown := [name for name in values if name not in defaults]:
        raise InputError(f"{path} has no hyper-parameter {unknown[0]!r}, which was tuned; tune it again.")
    return {name: _as(defaults[name], value) for name, value in values.items()}


def _as(default: Any, value: Any) -> Any:
    """A value from JSON, which has no tuples."""
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(_as(default[0] if default else None, inner) for inner in value)
    return value


def _hyperparameters(path: Path, function: Any) -> dict[str, Any]:
    """Of what `unlearning` takes beside network and loaders: names and defaults; `*args` and `**kwargs` are given nothing."""
    parameters = list(inspect.signature(function).parameters.values())
    positional, further = parameters[:4], parameters[4:]
    ordinary = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature, order = f"{path} defines unlearning{inspect.signature(function)}", ", ".join(roles.PARAMETERS.values())
    if len(positional) < 4 or any(p.kind not in ordinary for p in positional):
        raise InputError(f"{signature}; it must take ({order}).")
    if roles.contradicts(p.name for p in positional):
        raise InputError(f"{signature}; put the parameters in the order in which they are given: {order}.")
    further = [p for p in further if p.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)]
    for p in further:
        if p.default is inspect.Parameter.empty:
            hint = f"after the three loaders write `*, {p.name}=...`"
            raise InputError(f"{path}: the parameter {p.name!r} of unlearning must have a name and a default ({hint}).")
    return {p.name: p.default for p in further}


def parse_settings(defaults: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Values of `name=value` settings, each of the type of its default.

    Raises:
        InputError: a setting of another form, an unknown name, or a value of another type.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting} is not of the form name=value.")
        if name not in defaults:
            known = ", ".join(defaults) or "none"
            hint = did_you_mean(name, defaults)
            raise InputError(f"There is no hyper-parameter {name!r}; this solution has: {known}.{hint}")
        values[name] = _parse(name, text, defaults[name])
    return values


def _parse(name: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    try:
        value = ast.literal_eval(text.capitalize() if text.lower() in ("true", "false", "none") else text)
    except (ValueError, SyntaxError):
        value = text
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if default is not None and value is not None and type(value) is not type(default):
        raise InputError(f"--set {name}={text}: {name} must be of type {type(default).__name__}, like {default!r}.")
    return value
