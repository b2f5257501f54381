"""Scores that were reported elsewhere, on the competition's boards: known ones, and those of your own submissions.

`competition_scores.csv` ships with the project; `reported.csv` in the folder of scorecards is what `submit.py --submit` wrote.
Both have the columns entry, solution, settings, score, board (private, public, or late: after the end), source. Other files may
leave out the last two. The former says besides whose an entry is (team), whether it is one of the nine that are as far apart as
noise allows, and its role where a task is made after the competition's: entries that calibrate it, and those held out
(`benchmarks/ranking.py`).
"""

from datetime import date
from pathlib import Path

from starting_kit.contract import Solution
from starting_kit.errors import InputError
from starting_kit.files import write_bytes

KNOWN = Path(__file__).with_name("competition_scores.csv")
FILE = "reported.csv"
NEEDED = ("entry", "solution", "settings", "score")
COLUMNS = (*NEEDED, "board", "source")

Entry = dict[str, str]


def read(path: Path) -> list[Entry]:
    """The reported scores in a file; none where there is no file.

    Raises:
        InputError: it is no such file.
    """
    import pandas as pd  # takes half a second, as in `add`

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table[list(NEEDED)]["score"].astype(float)
    except FileNotFoundError:
        return []
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} is no file of reported scores with the columns {', '.join(NEEDED)} ({error}).") from error
    columns = list(dict.fromkeys((*COLUMNS, *table.columns)))
    entries: list[Entry] = table.reindex(columns=columns, fill_value="").to_dict("records")
    return entries


def add(path: Path, entry: str, solution: str, settings: str, score: float, board: str) -> None:
    """Add a score that Kaggle gave; once, even if it is added again.

    Raises:
        InputError: the file is no such file.
        RunError: it cannot be written.
    """
    import pandas as pd

    entries = read(path)
    if any((known["entry"], known["board"]) == (entry, board) for known in entries):
        return
    new = (entry, solution, settings, repr(score), board, f"submit.py, {date.today().isoformat()}")
    table = pd.DataFrame([*entries, dict(zip(COLUMNS, new, strict=True))], columns=list(entries[0] if entries else COLUMNS))
    write_bytes(path, table.to_csv(index=False, lineterminator="\n").encode())


def settings_of(solution: Solution) -> str:
    """Values that differ from the published ones, as `--set` takes them, `name=value name=value`."""
    return " ".join(f"{name}={value}".replace(" ", "") for name, value in solution.overrides.items())


def rank_correlation(reported: list[float], measured: list[float]) -> tuple[float, float] | None:
    """Spearman's ρ and its p-value; None where there are fewer than three pairs or all of one side are equal."""
    if len(reported) < 3 or len(set(reported)) == 1 or len(set(measured)) == 1:
        return None
    from scipy import stats  # takes two seconds, and is not needed to add a score

    result = stats.spearmanr(reported, measured)
    return float(result.statistic), float(result.pvalue)
