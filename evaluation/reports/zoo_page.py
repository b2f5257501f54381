"""The page of the zoo: one row per solution, by family, from what it says of itself and its scorecard."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from evaluation.reports.formats import interval, number, percent
from evaluation.scoring import codec
from evaluation.scoring.scorecard import NARROW, WIDE, Scorecard
from starting_kit.errors import InputError

FAMILIES = {
    "baseline": "Baselines",
    "winner": "Winners of the competition",
    "entry": "Other entries of the competition",
    "classic": "Classics",
    "Forget with Precision": "Forget with Precision",
    "zero-shot": "Zero-shot: without data, for whole classes",
}
FIELDS = ("family", "source", "reported", "values", "needs")
CERTIFICATE = "certificate"  # may be there as well: what a solution guarantees whatever the network, and at which values
NUMBERS = ("published_steps", "published_batch_size")  # likewise: what `starting_kit.transferred` goes by
ORIGINS = ("published", "carried over", "ours")
COLUMNS = (
    *("solution", "steps", "source", "reported", "origin of the values"),
    *("{task}, default values", "{task}, transferred values", "{task}, tuned values"),
    *("cost", "weak points", "needs"),
)
MANY = 0.01  # share of the runs; of normal ones 6 in 100,000 lie far from the others

INTRODUCTION = """\
# The zoo

One file per solution; `parts/` holds what several share. A file's docstring has the steps one by one, where its source
says so, and what was decided where that is silent. `--set name=value` changes a hyper-parameter:

```
python evaluation/score.py --solution scrub --set rewind=true
```

*Reported* is what its source reports, on the source's data: not comparable with each other, nor with the measured scores. Those
are measured here, with 95 % intervals: with the defaults, which are the published hyper-parameters as far as there are any and
were chosen for larger networks and data sets, with those carried over to the task by its number of steps (`--hyperparameters
transferred`), and with those that `evaluation/tune.py` has fitted to the task{ends}.
*Origin of the values* is that of the defaults: *published* by the source, *carried over* from a value of the source that makes
no sense here or from another method, or *ours*, where none is published; what is not named has the first origin.
*Cost* is the time of one unlearning over that of one retraining, with the tuned values if there are any; the competition
allowed 20 %.
*Weak points*, of the default values, are what `evaluation/check.py` looks for, by all runs of the scorecard: a cost above the
limit, runs that vary less than half or more than twice as much as retrained models on the median forget example, and more
than 1 % of the runs far from the others.

This page is made by `make leaderboard` from the docstrings and `results/`.
"""

ENDING = """\
## Not here, and why

- Datamodel matching ([2410.23232](https://arxiv.org/abs/2410.23232)) beyond its yardstick, `oracle_matching`: it predicts what
  a retrained network would say from data attributions, for which very many networks have to be trained first.
- MU-Mis ([2402.15109](https://arxiv.org/abs/2402.15109)): of the paper we could only read summaries, which differ on when it
  stops, and its authors' code and values could not be had.
- ARU ([2401.08998](https://arxiv.org/abs/2401.08998)): no code is public, and the part of the paper that we could read does not
  say how its mask is chosen or for how long it trains.
"""


@dataclass(frozen=True)
class Description:
    """What a solution says of itself, in its docstring and its `METADATA`.

    Attributes:
        summary: its steps in one line.
        family: one of `FAMILIES`.
        source: who, where.
        reported: a score, and on which board.
        values: where the defaults of its hyper-parameters come from, as in "published; ours: alpha, epochs".
        needs: what it uses besides the network.
        steps: numbers of its steps.
        certificate: what it guarantees, at its default values; empty for most.
    """

    summary: str
    family: str
    source: str
    reported: str
    values: str
    needs: str
    steps: tuple[int, ...]
    certificate: str


def describe(path: Path) -> Description:
    """Read what a solution of the zoo says of itself, without importing it: summary, numbered steps, and `METADATA`.

    Raises:
        InputError: there is no `METADATA`, or it has other keys than `FIELDS`, an unknown family, or origins that are unknown
            or of unknown hyper-parameters.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    text = ast.get_docstring(tree) or ""
    steps = tuple(int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE))
    found = metadata(path, tree)
    check_origins(path, found["values"], hyperparameters(tree))
    return Description(text.split("\n")[0].rstrip("."), steps=steps, **found)


def metadata(path: Path, tree: ast.Module) -> dict[str, str]:
    """What the literal dict says that a module names `METADATA`, but for its `NUMBERS`.

    Raises:
        InputError: there is none, or it has keys that are unknown or lacks some of `FIELDS`, or an unknown family.
    """
    assigned = [node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "METADATA"]
    try:
        found = ast.literal_eval(assigned[0].value)
    except (IndexError, ValueError, TypeError):
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(value, int if key in NUMBERS else str) for key, value in found.items()
    ):
        raise InputError(f"{path} has no METADATA, a dict of literal strings ({', '.join(FIELDS)}); see solutions/scl.py.")
    if missing := [field for field in FIELDS if field not in found]:
        raise InputError(f"METADATA of {path} lacks {', '.join(missing)}; see solutions/scl.py.")
    known = (*FIELDS, CERTIFICATE, *NUMBERS)
    if unknown := [str(key) for key in found if key not in known]:
        raise InputError(f"METADATA of {path} has an unknown key {unknown[0]!r}; the keys are {', '.join(known)}.")
    if found["family"] not in FAMILIES:
        raise InputError(
            f"METADATA of {path} has an unknown family {found['family']!r}; the families are {', '.join(FAMILIES)}."
        )
    return {field: found.get(field, "") for field in (*FIELDS, CERTIFICATE)}


def hyperparameters(tree: ast.Module) -> list[str]:
    """Names of the keyword arguments of a module's `unlearning`, or of `train` where a solution has its own training."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in ("unlearning", "train")]
    return [argument.arg for function in functions for argument in function.args.kwonlyargs]


def check_origins(path: Path, values: str, names: list[str]) -> None:
    """The first origin is of all hyper-parameters but those that the others name.

    Raises:
        InputError: an origin is not one of `ORIGINS`, or is of something that is no hyper-parameter.
    """
    usual, *others = values.split("; ")
    for origin, _, named in ((usual, "", ""), *(other.partition(": ") for other in others)):
        if origin not in ORIGINS:
            raise InputError(f"METADATA of {path} has an unknown origin of values {origin!r}; there are {', '.join(ORIGINS)}.")
        if unknown := [name for name in named.split(", ") if named and name not in names]:
            raise InputError(f"METADATA of {path} has an origin of {unknown[0]!r}, which is no hyper-parameter of its own.")


def page(zoo: Path, results: Path, task: str) -> str:
    """The whole page, as Markdown.

    Raises:
        InputError: the metadata of a solution are wrong, or a file is not a scorecard.
    """
    cards = {path.stem: codec.read(path) for path in (results / task).glob("*.json")}
    described = {path.stem: describe(path) for path in sorted(zoo.glob("*.py")) if path.stem != "__init__"}
    ends = "".join(
        f"; its ceiling there is {card.ceiling.value:.3f}" for card in list(cards.values())[:1] if card.ceiling.value
    )
    parts = [INTRODUCTION.format(ends=ends)]
    for family, title in FAMILIES.items():
        parts += [f"## {title}\n", f"| {' | '.join(COLUMNS).format(task=task)} |", "|" + "---|" * len(COLUMNS)]
        for name, description in described.items():
            if description.family == family:
                texts = [text.replace("|", "\\|") for text in cells(name, description, cards)]
                parts.append(f"| {' | '.join(texts)} |")
        parts.append("")
    return "\n".join([*parts, ENDING])


def cells(name: str, description: Description, cards: dict[str, Scorecard]) -> tuple[str, ...]:
    """A row as text, in the order of `COLUMNS`."""
    usual = cards.get(name)
    is_tuned = usual is not None and usual.hyperparameters is not None and usual.hyperparameters.source == "tuned"
    tuned = usual if is_tuned else cards.get(f"{name}--tuned")
    published = cards.get(f"{name}--published") if is_tuned else usual
    card = tuned or published
    return (
        f"[{name}]({name}.py)",
        description.summary + (f". Certificate: {description.certificate}" if description.certificate else ""),
        description.source,
        description.reported,
        description.values,
        measured(published),
        measured(cards.get(f"{name}--transferred")),
        measured(tuned),
        percent(card.cost if card else None),
        weak_points(published) if published else "-",
        description.needs,
    )


def weak_points(card: Scorecard) -> str:
    """What costs a solution score or rank, by its scorecard; "none" if nothing does."""
    found = [f"above the limit: {percent(card.cost)}"] if card.is_above_limit else []
    distances = card.attacks["distances"].unlearned if "distances" in card.attacks else None
    spread = distances["spread_median"] if distances else None
    if spread is not None and not NARROW <= spread <= WIDE:
        found.append(f"too {'narrow' if spread < NARROW else 'wide'}: {spread:.2g} of the spread")
    if card.outlying_runs and card.outlying_runs.unlearned > MANY * card.models:
        found.append(f"{card.outlying_runs.unlearned} of {card.models} runs far off")
    return "; ".join(found) or "none"


def measured(card: Scorecard | None) -> str:
    """A score and its interval."""
    return f"{number(card.score)} ({interval(card.score_interval)})" if card else "-"
