"""What the zoo holds: one row per solution, from its docstring and its scorecard, by family.

python evaluation/catalogue.py --markdown solutions/README.md
"""

import argparse
import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):  # run as a file: import the project from its root, installed or not
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from evaluation.reports import console
from evaluation.scoring import scorecard
from starting_kit import contract, tasks
from starting_kit.errors import InputError
from starting_kit.files import write_bytes

FAMILIES = {
    "baseline": "Baselines",
    "winner": "Winners of the competition",
    "classic": "Classics",
    "Forget with Precision": "Forget with Precision",
    "zero-shot": "Zero-shot: without data, for whole classes",
}
FIELDS = ("family", "source", "reported", "needs")
COLUMNS = ("solution", "steps", "source", "reported", "{task}, published values", "{task}, tuned values", "cost", "needs")

INTRODUCTION = """\
# The zoo

One file per solution; `parts/` holds what several share. A file's docstring has the steps one by one, what its source
leaves open, and what was decided. The published hyper-parameters are the defaults; `--set name=value` changes them:

```
python evaluation/score.py --solution scrub --set rewind=true
```

*Reported* is what its source reports, on the source's data: not comparable with each other, nor with the measured scores. Those
are measured here, with 95 % intervals: with the published hyper-parameters, which were chosen for larger networks and data
sets, and with those that `evaluation/tune.py` has fitted to the task{ends}.
*Cost* is the time of one unlearning over that of one retraining, with the tuned values if there are any; the competition
allowed 20 %.

This page is made by `make leaderboard` from the docstrings and `results/`.
"""


@dataclass(frozen=True)
class Description:
    """What a solution's docstring says.

    Attributes:
        summary: its steps in one line.
        family: one of `FAMILIES`.
        source: who, where.
        reported: a score, and on which board.
        needs: what it uses besides the network.
        steps: numbers of its steps.
    """

    summary: str
    family: str
    source: str
    reported: str
    needs: str
    steps: tuple[int, ...]


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = console.command_parser("catalogue.py", __doc__)
    parser.add_argument("--task", default="digits", help="whose scores (default: %(default)s)")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="scorecards (default: %(default)s)"
    )
    parser.add_argument("--markdown", type=Path, required=True, metavar="FILE", help="write the page to this file")
    options = parser.parse_args(arguments)
    return console.run_command(lambda: write_page(options))


def write_page(options: argparse.Namespace) -> None:
    """Make the page and write it (errors as for `page`, and RunError where it cannot be written)."""
    tasks.find(options.task)
    write_bytes(options.markdown, page(contract.ZOO, options.results, options.task).encode())


def describe(path: Path) -> Description:
    """Read the docstring of a solution of the zoo: summary, numbered steps, then `Family: ...` and the other fields.

    Raises:
        InputError: a field is missing.
    """
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    found = re.findall(r"^(\w+): (.*?)\.?$(?=\n\w+: |\s*\Z)", text, re.MULTILINE | re.DOTALL)
    fields = {key.lower(): " ".join(value.split()) for key, value in found}
    if missing := [field.capitalize() for field in FIELDS if field not in fields]:
        raise InputError(f"The docstring of {path} lacks {', '.join(missing)}; see solutions/scl.py.")
    steps = tuple(int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE))
    return Description(text.splitlines()[0].rstrip("."), steps=steps, **{field: fields[field] for field in FIELDS})


def page(zoo: Path, results: Path, task: str) -> str:
    """The whole page, as Markdown.

    Raises:
        InputError: a docstring lacks a field, or a file is no scorecard.
    """
    cards = {path.stem: scorecard.read(path) for path in (results / task).glob("*.json")}
    described = {path.stem: describe(path) for path in sorted(zoo.glob("*.py")) if path.stem != "__init__"}
    ends = "".join(f"; its ceiling there is {card['ceiling']:.3f}" for card in list(cards.values())[:1])
    parts = [INTRODUCTION.format(ends=ends)]
    for family, title in FAMILIES.items():
        parts += [f"## {title}\n", f"| {' | '.join(COLUMNS).format(task=task)} |", "|" + "---|" * len(COLUMNS)]
        for name, description in described.items():
            if description.family == family:
                texts = [text.replace("|", "\\|") for text in cells(name, description, cards)]
                parts.append(f"| {' | '.join(texts)} |")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def cells(name: str, description: Description, cards: dict[str, scorecard.Scorecard]) -> tuple[str, ...]:
    """A row as text, in the order of `COLUMNS`."""
    card = cards.get(name)
    is_tuned = card is not None and card["hyperparameters"]["source"] == "tuned"
    return (
        f"[{name}]({name}.py)",
        description.summary,
        description.source,
        description.reported,
        measured(cards.get(f"{name}--published") if is_tuned else card),
        measured(card if is_tuned else None),
        console.percent(card["cost"] if card else None),
        description.needs,
    )


def measured(card: scorecard.Scorecard | None) -> str:
    """A score and its interval."""
    return f"{console.number(card['score'])} ({console.interval(card['score_interval'])})" if card else "-"


if __name__ == "__main__":
    sys.exit(main())
