import pytest

from evaluation.reports import reported
from starting_kit import contract
from starting_kit.errors import InputError


def test_the_known_scores_are_of_solutions_of_the_zoo_with_settings_that_they_have():
    entries = reported.read(reported.KNOWN)
    assert len(entries) > 20
    for entry in entries:
        contract.describe(contract.find(entry["solution"]), entry["settings"].split())  # raises what is wrong
        assert 0 < float(entry["score"]) < 0.2
        assert entry["board"] in ("private", "public", "late")
        assert entry["source"]


def test_a_score_is_added_once(tmp_path):
    path = tmp_path / "reported.csv"
    solution = contract.describe(contract.find("forget_cycles"), ["learning_rates=((1e-3,),(2e-3, 1e-3))"])
    for score, board in ((0.05, "public"), (0.04, "private"), (0.05, "public")):
        reported.add(path, "me/notebook version 1", solution.name, reported.settings_of(solution), score, board)
    first, second = reported.read(path)
    assert (first["score"], first["board"], second["board"]) == ("0.05", "public", "private")
    again = contract.describe(contract.find("forget_cycles"), first["settings"].split())
    assert again.hyperparameters == solution.hyperparameters


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "solution,settings,score\nscl,,many\n", "\xff"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "reported.csv"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match="is no file of reported scores"):
        reported.read(path)


def test_rank_correlation():
    assert reported.rank_correlation([1, 2, 3, 4], [10, 20, 30, 40])[0] == pytest.approx(1)
    assert reported.rank_correlation([1, 2, 3, 4], [4, 3, 2, 1])[0] == pytest.approx(-1)
    assert reported.rank_correlation([1, 2], [1, 2]) is None
    assert reported.rank_correlation([1, 2, 3], [5, 5, 5]) is None
