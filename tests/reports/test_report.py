"""The page about one score."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from conftest import require_accessible, run_script
from evaluation.reports import pages, report
from evaluation.scoring import PairConfig, score_in_full
from starting_kit import tasks

OPTIONS = ("--solution", "finetune", "--models", 16, "--hyperparameters", "published", "--workers", 1)


@pytest.fixture(scope="module")
def written(sixteen, tmp_path_factory):
    """The report of a real score, by the command."""
    folder = tmp_path_factory.mktemp("report")
    places = ("--runs", sixteen.runs, "--results", folder / "results", "--report", folder / "report.html")
    finished = run_script("score.py", *OPTIONS, *places)
    assert finished.returncode == 0, finished.stderr
    assert f"report: {folder / 'report.html'}" in finished.stdout
    return folder / "report.html"


@pytest.fixture(scope="module")
def text(written):
    return written.read_text(encoding="utf-8")


def test_it_says_the_score_and_what_it_would_be(sixteen, text):
    assert f"<b>{sixteen.card['score']:.4f}</b>" in text
    scores = dict(re.findall(r'<tr><th scope="row">(.*?)</th><td class="n">([\d.]+)</td><td class="drawn">', text))
    assert float(scores["as it is"]) == pytest.approx(sixteen.card["score"], abs=5e-5)
    assert float(scores[report.IF["accuracy"]]) == pytest.approx(sixteen.card["forgetting_quality"], abs=5e-5)
    assert float(scores["the ceiling: retrained models against others"]) == pytest.approx(sixteen.card["ceiling"], abs=5e-5)
    assert set(report.IF.values()) - scores.keys() <= {report.IF["outlying runs"]}
    assert "python evaluation/score.py --solution finetune --models 16 --hyperparameters published</pre>" in text


def test_it_shows_the_worst_the_median_and_the_best_forget_examples(sixteen, text):
    shown = re.findall(r"<h3>(\w+), ε ([\d.]+)</h3>\s*<img src=\"data:image/png;base64,(.*?)\" alt=\"Example (\d+),", text)
    assert [kind for kind, *_ in shown] == ["worst"] * 3 + ["median"] * 3 + ["best"] * 3
    epsilons = sorted((each["epsilon"] for each in sixteen.card["epsilons"]), reverse=True)
    expected = [*epsilons[:3], *epsilons[43:46], *epsilons[-3:]]
    assert [float(epsilon) for _, epsilon, *_ in shown] == [round(epsilon, 2) for epsilon in expected]
    images = tasks.find("digits").load().images
    for *_, content, example in shown:
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
        assert picture.shape == (96, 96, 3)
        np.testing.assert_array_equal(picture[6::12, 6::12, 0], np.round(images[int(example), 0] / 16 * 255))


def test_it_is_one_small_file_that_asks_nobody(text):
    assert len(text.encode()) < 100_000
    assert not re.search(r'(src|href)="(?!#|data:)', text)
    assert "url(" not in text


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(opened, written, width, scheme):
    tab = opened(written)
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    require_accessible(tab)


@pytest.fixture
def pair(tmp_path):
    """Populations that were made elsewhere: numbers without images."""
    random, files = np.random.default_rng(0), {}
    for name, place in (("unlearned", 0.5), ("retrained", 0.0)):
        files[name] = tmp_path / f"{name}.npz"
        accuracies = {f"{split}_accuracy": np.full(32, 0.9) for split in ("retain", "test")}
        np.savez(files[name], confidences=place + random.normal(size=(32, 5)), **accuracies)
    return files


def test_populations_from_elsewhere_have_no_pictures(pair):
    page = report.page(score_in_full(PairConfig(**pair)))
    assert "<img" not in page
    assert page.count("<h3>") == 5  # each example once
    assert report.IF["place"] in page


def test_without_accuracies_nothing_is_said_of_where_the_score_is_lost(tmp_path, pair):
    with np.load(pair["unlearned"]) as content:
        np.savez(tmp_path / "bare.npz", confidences=content["confidences"])
    page = report.page(score_in_full(PairConfig(retrained=pair["retrained"], unlearned=tmp_path / "bare.npz")))
    assert "Nothing can be said of it where there is no score." in page


def test_it_is_for_one_score(sixteen, tmp_path):
    for more in (("--populations", sixteen.exported), (*OPTIONS, "--stop-when-clear", "--against", "scl")):
        finished = run_script("score.py", *more, "--report", tmp_path / "report.html")
        assert finished.returncode == 2
        assert "error: --report is for one score" in finished.stderr
    assert not (tmp_path / "report.html").exists()


def test_two_distributions_have_one_scale():
    low, high = np.zeros(10), np.ones(10)
    drawn = pages.densities(low, high)
    assert drawn["unlearned"].startswith("M0 60V4h5V60h5")
    assert drawn["retrained"].endswith("V60h5V4h5V60z")
    assert (drawn["low"], drawn["high"]) == ("0.0", "1.0")
    assert pages.densities(low, low)["unlearned"] == pages.densities(low, low)["retrained"]
