"""What a solution's author should know of its text: seeds, and what its calls leave behind for the next, which finds it not."""

import ast
from collections.abc import Iterator
from pathlib import Path

from starting_kit.module_state import module_state
from starting_kit.seeds import fixing, seeding_at_top

KEPT = "That is kept as its author's, and all models draw the same numbers; take it out unless that is meant."


def on_seeds_at_top(path: Path, texts: dict[str, str]) -> list[str]:
    """Remarks on seeds that are set when a solution is loaded, a sentence each.

    Args:
        path: of the solution.
        texts: of its files, by name.
    """
    own = [
        (name, _places(seeding_at_top(text)))
        for name, text in texts.items()
        if (path.parent / name).exists() and _is_python(text)
    ]
    return [
        f"{name} seeds the random generators when it is loaded ({places}), which would make all models one; "
        "that is undone: every model has a seed of its own."
        for name, places in own
        if places
    ]


def on_calls(path: Path, text: str) -> Iterator[str]:
    """Remarks on what is the same in all calls of `unlearning`, though it may not be meant to be, a sentence each.

    Args:
        path: of the solution.
        text: of it.
    """
    if not _is_python(text):
        return
    inside, at_top = fixing(text)
    if inside:
        yield f"WARNING: {path.name} fixes random numbers inside unlearning ({_places(inside)}). {KEPT}"
    if at_top:
        yield (
            f"WARNING: {path.name} makes generators with a fixed seed at the top ({_places(at_top)}); the file is loaded anew "
            f"for every model, so they start anew as well. {KEPT}"
        )
    if changed := module_state(text):
        yield (
            f"{path.name}: calls of unlearning change what they read again ({_places(changed)}); the file is loaded anew for "
            "every model, so that each call finds it as the first one does."
        )


def _places(found: list[tuple[int, str]]) -> str:
    return ", ".join(f"line {line}: {text}" for line, text in found)


def _is_python(text: str) -> bool:
    """Whether a text is Python of this version; other texts are not executed either."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True
