"""The tables for a paper."""

import re

from evaluation.reports import ranking
from evaluation.reports.tables import COLUMNS, as_latex


def test_latex_has_every_row_and_no_sign_that_means_something_else_there(results):
    folder = results(
        plain={"score": 0.09},
        under_score={"score": 0.05, "different_models": 4},
        dear={"score": 0.5, "cost": 0.3, "within_limit": False},
    )
    text = as_latex(ranking.rank(ranking.read_all(folder, None)))
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")].splitlines()[1:]
    rows = [line.removesuffix(r"\\").split(" & ") for line in body]
    assert [len(row) for row in rows] == [len(COLUMNS)] * 3
    assert [row[2].strip() for row in rows] == ["plain", r"under\_score", "dear"]
    assert rows[1][4].strip() == r"0.0500\dag{}"
    assert rows[2][0].strip() == "-"
    assert not set("†–×ε") & set(text)
    assert text.count("{") == text.count("}")
    assert re.search(r"(?<!\\)[%#_]", text) is None


def test_latex_of_many_rows_goes_over_pages(results):
    many = {f"entry{number}": {"score": number / 1000} for number in range(1, 42)}
    text = as_latex(ranking.rank(ranking.read_all(results(**many), None)))
    assert text.startswith(r"\begin{longtable}")
    assert all(f"entry{number} " in text for number in range(1, 42))
