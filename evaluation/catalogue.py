"""What the zoo holds: one row per solution, from its docstring and its scorecards.

python evaluation/catalogue.py --markdown solutions/README.md
"""

import ast
import re
from dataclasses import dataclass

from starting_kit import contract

FAMILIES = ("baseline", "winner", "classic", "Forget with Precision")
FIELDS = ("family", "source", "reported", "needs")


@dataclass(frozen=True)
class Description:
    """What a solution's docstring says.

    Attributes:
        summary: its steps in one line.
        family: one of `FAMILIES`.
        source: who, where.
        reported: a score, and on which board.
        needs: what it uses besides the network and cross-entropy on the retain set.
        steps: numbers of its steps.
    """

    summary: str
    family: str
    source: str
    reported: str
    needs: str
    steps: tuple[int, ...]


def describe(name: str) -> Description:
    """Read the docstring of a solution of the zoo: summary, numbered steps, then `Family: ...` and the other fields.

    Raises:
        ValueError: it has none, or lacks a field.
    """
    text = ast.get_docstring(ast.parse(contract.find(name).read_text(encoding="utf-8"))) or ""
    found = re.findall(r"^(\w+): (.*?)\.?$(?=\n\w+: |\s*\Z)", text, re.MULTILINE | re.DOTALL)
    fields = {key.lower(): " ".join(value.split()) for key, value in found}
    if missing := [field for field in FIELDS if field not in fields]:
        raise ValueError(f"the docstring of {name} lacks {', '.join(missing)}")
    steps = tuple(int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE))
    return Description(text.splitlines()[0].rstrip("."), steps=steps, **{field: fields[field] for field in FIELDS})
