"""What a name in a solution says that it stands for: the network, or the data of a split."""

import ast
import re
from collections.abc import Iterable

ROLES = ("network", "retain", "forget", "validation")
SPLITS = ROLES[1:]
PARAMETERS = dict(zip(ROLES, ("net", "retain_loader", "forget_loader", "val_loader"), strict=True))
SAYS = {
    "retain": re.compile(r"retain|remain|(^|_)keep"),
    "forget": re.compile(r"forget|forgot|(^|_)to_remove"),
    "validation": re.compile(r"(^|_)(val|valid|validation|test)(_|\d|$|loader|dl|ds|set|data)|validation"),
    "network": re.compile(r"(^|_)(net|model|network|student|nn|resnet|backbone)\d*(_|$)|resnet|(net|model)\d*$"),
}
# What is about a network or a split without being one: a rate, a list of indices, a path.
ABOUT = re.compile(
    r"(^|_)(lrs?|rates?|ratio|frac\w*|alpha|beta|gamma|temp\w*|coef\w*|lambda|size|batch_size|bs|num|n|epochs?|steps?|iters?|"
    r"weights?|loss\w*|criterion|optim\w*|opt|sched\w*|cfg|config|args|params|kwargs|path|dir|file|name|names|type|url|"
    r"idx\w*|ind\w*|ids?|labels|targets|mask|acc\w*|seeds?|state|state_dict|dict|ckpt|checkpoint|device|fn|func)(_|\d|$)"
)
DATA_SET = re.compile(r"(ds|set|dataset|subset)\d*$")
LOADER = re.compile(r"(loader|dl)\d*$|^(retain|forget|val|validation|test)$")


def role(identifier: str) -> str | None:
    """What a name stands for, as far as it says.

    >>> role("remain_dl"), role("forgetLoader"), role("val_loader"), role("my_net"), role("forget_lr"), role("x")
    ('retain', 'forget', 'validation', 'network', None, None)
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier).lower()
    said = [] if ABOUT.search(name) else [meaning for meaning, pattern in SAYS.items() if pattern.search(name)]
    splits = [meaning for meaning in said if meaning != "network"]
    return splits[0] if len(splits) == 1 else said[0] if len(said) == 1 else None


def role_of(expression: ast.expr) -> str | None:
    """What an expression stands for by the names and texts in it; None if they say nothing, or several things."""
    said = set()
    for node in ast.walk(expression):
        match node:
            case ast.Name(word) | ast.Attribute(_, word) | ast.Constant(str(word)):
                said.add(role(word))
    said -= {None}
    splits = said - {"network"}
    return next(iter(splits)) if len(splits) == 1 else "network" if said == {"network"} else None


def is_data_set(identifier: str) -> bool:
    """Whether a name is that of a data set, and not of a loader.

    >>> is_data_set("retain_ds"), is_data_set("forgetDataset"), is_data_set("retain_loader")
    (True, True, False)
    """
    return DATA_SET.search(identifier.lower()) is not None


def is_data(identifier: str) -> bool:
    """Whether a name is that of a loader or of a data set.

    >>> is_data("retain_ds"), is_data("val_loader"), is_data("test_df")
    (True, True, False)
    """
    return is_data_set(identifier) or LOADER.search(identifier.lower()) is not None


def by_position(parameters: Iterable[str]) -> dict[str, str]:
    """The role of each of a function's first parameters: what its name says, for the others what is left of the order.

    >>> by_position(["net", "forget", "retain", "x"])
    {'net': 'network', 'forget': 'forget', 'retain': 'retain', 'x': 'validation'}
    """
    roles: dict[str, str | None] = {}
    for name in list(parameters)[: len(ROLES)]:
        said = role(name)
        roles[name] = said if said not in roles.values() else None
    left = [meaning for meaning in ROLES if meaning not in roles.values()]
    return {name: said or left.pop(0) for name, said in roles.items()}


def contradicts(parameters: Iterable[str]) -> bool:
    """Whether the names of a function's first parameters say another order than network, retain, forget, validation."""
    return any(role(name) not in (None, meaning) for name, meaning in zip(parameters, ROLES, strict=False))
