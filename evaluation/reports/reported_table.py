"""Reported beside measured scores, with their rank correlation."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from evaluation.reports import reported
from evaluation.reports.formats import number
from evaluation.reports.ranking import Row
from evaluation.reports.tables import LINES, title
from starting_kit import contract

SAME_VALUES, TUNED_HERE = "same values", "tuned here"


def show(table: Sequence[Row], entries: Sequence[reported.Entry], screen: Console) -> None:
    """Print the reported scores of those solutions of a table that have any, beside the measured ones.

    A reported score belongs to a measured one of the same hyper-parameters, and where those were the published ones also to one
    of values that were tuned to the task.

    Raises:
        InputError: the settings of a reported score are not the solution's.
    """
    view = Table(title=title(table), title_justify="left", box=LINES, padding=0, pad_edge=False)
    for column in ("solution", "board", "reported", SAME_VALUES, "#", TUNED_HERE, "#"):
        view.add_column(column, no_wrap=column == "solution", justify="right" if column in ("reported", "#") else "left")
    pairs: dict[str, tuple[list[float], list[float]]] = {SAME_VALUES: ([], []), TUNED_HERE: ([], [])}
    for entry in sorted(entries, key=lambda entry: -float(entry["score"])):
        measured = measured_of(table, entry)
        if not any(measured.values()):
            continue
        texts = [f"{entry['solution']} {entry['settings']}".strip(), entry["board"], number(float(entry["score"]))]
        for kind, row in measured.items():
            texts += [number(row.card.score if row else None), "-" if row is None or row.rank is None else str(row.rank)]
            if row and row.card.score.value is not None:
                pairs[kind][0].append(float(entry["score"]))
                pairs[kind][1].append(row.card.score.value)
        view.add_row(*texts)
    screen.print(view)
    for kind, (theirs, ours) in pairs.items():
        found = reported.rank_correlation(theirs, ours)
        said = "too few to say" if found is None else f"Spearman's ρ {found[0]:.2f}, p = {found[1]:.2g}"
        screen.print(f"Reported against {kind}: {said} ({len(theirs)} pairs).")


def measured_of(table: Sequence[Row], entry: reported.Entry) -> dict[str, Row | None]:
    """The rows of a table that a reported score is compared with: of the same values, and of values tuned to the task.

    Raises:
        InputError: its settings are not the solution's.
    """
    own = [(row, row.card.hyperparameters) for row in table if row.card.solution == entry["solution"]]
    known = [(row, used) for row, used in own if used]
    if not known:
        return {SAME_VALUES: None, TUNED_HERE: None}
    values = contract.describe(contract.find(entry["solution"]), entry["settings"].split()).hyperparameters
    tuned = [row for row, used in known if used.source == "tuned"] if not entry["settings"] else []
    same = [row for row, used in known if used.values == values and used.origin != "transferred"]
    return {SAME_VALUES: next(iter(same), None), TUNED_HERE: next(iter(tuned), None)}
