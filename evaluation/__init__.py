"""From a solution to its scorecard: populations, the competition's metric, the leaderboard."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame


def scorecards(folder: str | Path = "results", task: str | None = None) -> "DataFrame":
    """The leaderboard as a table of pandas: a row for each scorecard, with unrounded numbers.

    Args:
        folder: of scorecards.
        task: only this one; all by default.

    Returns:
        Columns are those of `leaderboard.py --csv`; rows of entries that cannot be compared differ in the first of them.

    Raises:
        InputError: there is no scorecard, or a file is none.
    """
    from evaluation.reports import ranking, tables  # not where only the name of the package is wanted

    return tables.as_frame(ranking.rank(ranking.read_all(Path(folder), task)))
