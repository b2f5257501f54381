"""What is known of calls by their names: which give parts of what they are given, and which change what."""

# Methods that give their object, and change it if it is a network; what they are given (a device, a type) is no part of it.
CHANGING = ("to", "half", "float", "double", "bfloat16", "train", "eval")
ITSELF = ("cuda", "cpu", *CHANGING)
# Calls that give parts of what they are given, or the thing itself.
VIEWS = {
    *("parameters", "named_parameters", "modules", "named_modules", "children", "named_children", "buffers", "named_buffers"),
    *("state_dict", "get_submodule", "get_parameter", "items", "values", "keys", "detach", "view", "apply", "requires_grad_"),
    *(*ITSELF, "compile", "prepare", "script", "trace"),
    *("list", "tuple", "dict", "set", "filter", "map", "zip", "enumerate", "iter", "next", "reversed", "sorted", "getattr"),
    *("chain", "from_iterable", "module", "vars", "setdefault"),
}
# Methods that leave their object as it is, and functions that leave their arguments as they are.
READING_METHODS = {
    *VIEWS - {"apply", "requires_grad_", "setdefault", *CHANGING},
    *("item", "mean", "sum", "std", "max", "min", "norm", "numpy", "tolist", "size", "dim", "numel", "clone", "copy", "get"),
    *("forward", "head", "describe", "info", "plot", "hist", "show", "format", "join", "to_csv", "savefig", "save", "close"),
}
READING_FUNCTIONS = {
    *("print", "display", "len", "str", "repr", "id", "type", "isinstance", "hasattr", "sum", "min", "max", "float", "int"),
    *("bool", "round", "abs", "all", "any", "deepcopy", "copy", "save", "save_file", "dump", "dumps", "summary", "log", "info"),
    *("append", "extend", "add", "write", "set_postfix", "set_description", "debug", "warning", "add_scalar", "get_device"),
    *("no_grad", "inference_mode", "autocast", "synchronize", "size", "numel", "is_tensor", "softmax", "cross_entropy"),
    *("partial",),
}
READING_MODULES = {
    *("os", "sys", "math", "json", "time", "gc", "plt", "matplotlib", "pd", "pandas", "sklearn", "sns", "np", "numpy"),
    *("shutil", "subprocess", "pathlib", "wandb", "logging", "warnings", "datetime", "zipfile", "tqdm", "F"),
}
# Methods that change their object, whether or not their value is used, and those that put what they are given into it.
CHANGING_METHODS = {
    *("append", "extend", "insert", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear", "move_to_end"),
    *("__setattr__", "__delattr__", "__setitem__", "__delitem__", "appendleft", "extendleft", "popleft", "rotate"),
}
STORING_METHODS = {"append", "appendleft", "extend", "insert", "add", "update", "setdefault", "put", "__setitem__", "register"}
# Functions that change their first argument, and types whose methods do if they are called as functions, `dict.update(d, x=1)`.
CHANGING_FUNCTIONS = {
    *("setattr", "delattr", "setitem", "delitem", "shuffle", "heappush", "heappop", "heapify", "insort", "copyto"),
    *("fill_diagonal", "put_along_axis", "place"),
}
TYPES = {"object", "type", "dict", "list", "set"}
# Functions that go through all of what they are given.
EXHAUSTING = {
    "list",
    "tuple",
    "set",
    "dict",
    "any",
    "all",
    "sum",
    "min",
    "max",
    "sorted",
    "deque",
    "frozenset",
    "map",
    "filter",
}


def is_in_place(name: str) -> bool:
    """Whether a function's name says that it changes a tensor, as PyTorch's do.

    >>> is_in_place("mul_"), is_in_place("mul"), is_in_place("__init__")
    (True, False, False)
    """
    return name.endswith("_") and not name.startswith("_")
