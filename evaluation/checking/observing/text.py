"""A solution as it stands in its file: whether it can be used, and what its text says of seeds and of memory."""

import inspect
import warnings

from evaluation.checking.observed import Place, Text
from evaluation.checking.subject import Subject
from starting_kit.errors import InputError
from starting_kit.loading import load
from starting_kit.module_state import module_state
from starting_kit.seeds import fixing, seeding_at_top
from starting_kit.sources import read
from starting_kit.streams import printed
from starting_kit.surroundings import surroundings


def observe(subject: Subject) -> Text:
    """Load it, read its signature, and look at its text."""
    warnings.simplefilter("ignore", SyntaxWarning)
    signature = ""
    try:
        solution = subject.solution()
    except InputError as error:
        return Text(str(error).removesuffix("."))
    with surroundings(subject.path, solution.visible), printed():
        signature = str(inspect.signature(load(subject.path).unlearning))
    text = read(subject.path)
    inside, at_top = fixing(text)
    return Text(
        "",
        signature,
        list(solution.hyperparameters),
        solution.trains,
        _places([*inside, *at_top]),
        _places(seeding_at_top(text)),
        _places(module_state(text)),
    )


def _places(found: list[tuple[int, str]]) -> list[Place]:
    return [Place(*place) for place in found]
