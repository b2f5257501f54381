"""Scoring as a library: it tells its reporter what takes time, and prints nothing."""

from contextlib import contextmanager

import pytest

from evaluation.scoring import SILENT, FolderConfig, PairConfig, ScoringConfig, codec, score, score_folder
from evaluation.scoring.reporter import MAX_NOTICES, tell_all
from evaluation.scoring.scorecard import EXEMPT
from starting_kit.errors import InputError, SolutionError


class Recorder:
    """Keeps what it is told."""

    def __init__(self):
        self.said, self.notices, self.stages, self.waited = [], [], {}, []

    def say(self, sentence):
        self.said.append(sentence)

    def notice(self, sentence):
        self.notices.append(sentence)

    @contextmanager
    def stage(self, title, models):
        self.stages[title, models] = []
        yield self.stages[title, models].append

    @contextmanager
    def trials(self, title, wanted):
        yield lambda done, best: None

    @contextmanager
    def waiting(self, title):
        self.waited.append(title)
        yield self.waited.append


def comparable(card):
    return {name: value for name, value in codec.encode(card).items() if name not in EXEMPT}


@pytest.fixture
def config(sixteen, tmp_path):
    return ScoringConfig(
        solution="finetune", models=16, hyperparameters="published", runs=sixteen.runs, results=tmp_path, workers=1
    )


@pytest.fixture
def same_as_the_command(sixteen, config, tmp_path, capfd):
    """Score with a reporter, and compare with what the command gave; nothing is printed."""

    def check(*reporter):
        card = score(config, *reporter)
        assert capfd.readouterr() == ("", "")
        assert comparable(card) == {name: value for name, value in sixteen.card.items() if name not in EXEMPT}
        assert card.path == tmp_path / "digits" / "finetune--published,n16.json"
        assert codec.read(card.path) == card

    return check


@pytest.mark.slow
def test_a_reporter_is_told_the_stages(same_as_the_command):
    told = Recorder()
    same_as_the_command(told)
    kinds = ("unlearned", "retrained", "second retrained", "original")
    stages = [("to start from", 4), *((kind, 16) for kind in kinds)]
    assert list(told.stages) == stages
    assert told.stages == {(kind, models): [models] for kind, models in stages}  # all are found
    assert told.waited == [
        "Reading digits",
        "Preparing the original model",
        "Trying the solution",
        "Timing the solution against retraining",
        "Comparing the populations",
    ]
    assert (told.said, told.notices) == ([], ["0 of 90 forget images have an exact copy in test, 3 a near one"])


@pytest.mark.slow
def test_without_a_reporter_nobody_is_told(same_as_the_command):
    same_as_the_command()
    assert score.__defaults__ == score_folder.__defaults__ == (SILENT,)


@pytest.mark.slow
def test_models_are_counted_as_they_are_made(sixteen, config, write_solution, capfd):
    told = Recorder()
    path = write_solution("print('of no interest')\nwith torch.no_grad():\n    net[-1].bias += torch.randn(10)", name="counted")
    score(ScoringConfig(solution=str(path), models=16, runs=sixteen.runs, results=config.results, engine="single"), told)
    found, *made = told.stages["unlearned", 16]
    assert (found, sum(made)) == (0, 16)
    assert capfd.readouterr() == ("", "")


def test_what_goes_wrong_is_raised_and_not_printed(config, write_solution, tmp_path, capfd):
    with pytest.raises(InputError, match="--models 2 is too few"):
        score(ScoringConfig(solution="finetune", models=2, runs=config.runs, results=tmp_path))
    with pytest.raises(InputError, match="--models 100000000 is too many; at most 100000"):
        score(ScoringConfig(solution="finetune", models=10**8, runs=config.runs, results=tmp_path))
    with pytest.raises(SolutionError, match="ValueError: boom"):
        path = write_solution("raise ValueError('boom')")
        score(ScoringConfig(solution=str(path), models=16, runs=config.runs, results=tmp_path))
    with pytest.raises(InputError, match=r"a\.npz cannot be read"):
        score(PairConfig(retrained=tmp_path / "a.npz", unlearned=tmp_path / "b.npz"))
    with pytest.raises(InputError, match="holds no <approach>"):
        list(score_folder(FolderConfig(populations=tmp_path, results=tmp_path)))
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_compared_approach_by_approach(sixteen, tmp_path, capfd):
    told = Recorder()
    (card,) = score_folder(FolderConfig(populations=sixteen.exported, results=tmp_path), told)
    assert card.score.value == pytest.approx(sixteen.card["pooled"]["score"])
    assert codec.read(tmp_path / "exported" / "finetune--published,n16.json") == card
    assert told.waited == ["Comparing finetune--published,n16 with retrained models"]
    assert capfd.readouterr() == ("", "")


def test_of_many_notices_the_first_are_given_and_all_are_written(tmp_path):
    told, sentences = Recorder(), [f"image {i} is odd" for i in range(100)]
    tell_all(told, sentences[:MAX_NOTICES], tmp_path / "few.log")
    assert told.notices == sentences[:MAX_NOTICES]
    assert not (tmp_path / "few.log").exists()
    tell_all(told, sentences, tmp_path / "many.log")
    assert told.notices[MAX_NOTICES:-1] == sentences[:MAX_NOTICES]
    assert told.notices[-1] == f"and 80 more like these; all are in {tmp_path / 'many.log'}"
    assert (tmp_path / "many.log").read_text().splitlines() == sentences
