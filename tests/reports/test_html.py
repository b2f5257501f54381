"""The leaderboard's page: what it says, and what it does in a browser."""

import json
import re
from functools import partial

import pytest
from msgspec.structs import replace

from conftest import PROJECT, require_accessible
from evaluation.reports import html, ranking
from evaluation.scoring import codec


@pytest.fixture(scope="module")
def cards():
    return [codec.read(path) for path in sorted((PROJECT / "results" / "digits").glob("*.json"))]


@pytest.fixture(scope="module")
def page(cards):
    return html.page(ranking.rank(cards))


def test_the_page_has_every_entry_with_the_numbers_of_the_table(cards, page):
    for card in cards:
        assert f'<tbody id="0-{card.entry}"' in page
    (seif,) = re.findall(r'<tbody id="0-seif".*?</tbody>', page, re.DOTALL)
    (card,) = [card for card in cards if card.entry == "seif"]
    for text in (f"<b>{card.score.value:.4f}</b>", f"{card.cost:.1%}", "winner", "tuned", "0.0885", "retrained"):
        assert text in seif
    assert "python evaluation/score.py --solution seif --hyperparameters tuned</pre>" in seif


def test_the_page_is_one_small_file_that_asks_nobody(cards, page):
    assert len(page.encode()) < 200_000 / 60 * len(cards)
    assert len((PROJECT / "evaluation/reports/templates/leaderboard.js").read_bytes()) <= 4096
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "@import" not in page
    assert "url(" not in page


def test_two_hundred_entries_are_less_than_600_kb(cards):
    many = [replace(card, path=card.path.with_stem(f"{card.entry}-{copy}")) for copy in range(4) for card in cards][:200]
    assert len(html.page(ranking.rank(many)).encode()) < 600_000


def test_names_and_notes_are_text_whatever_is_in_them(cards):
    evil = replace(cards[0], solution="</script><b>x", notes=["<script>alert(1)</script>"], path=None)
    page = html.page(ranking.rank([evil, cards[1]]))
    assert page.count("<script") == 2
    assert "<b>x" not in page
    assert "alert(1)&lt;/script&gt;" in page


def test_what_is_not_known_is_a_dash(cards):
    bare = replace(cards[0], forget=None, network=None, epochs=None, task="elsewhere", hyperparameters=None, cost=None)
    page = html.page(ranking.rank([bare]))
    assert "elsewhere" in page
    assert "<td>–</td>" in page


@pytest.fixture
def tab(opened, cards, tmp_path):
    """The page of two tables in a browser."""
    few = [replace(card, models=64, path=card.path.with_stem(f"{card.entry}--n64")) for card in cards[:3]]
    (tmp_path / "page.html").write_text(html.page(ranking.rank([*cards, *few])), encoding="utf-8")
    return opened(tmp_path / "page.html")


def column(tab, number):
    """The texts of a column in the order that is shown, of the table of 512 models."""
    return (
        tab.locator("section", has_text="512 models").locator(f"tbody tr:first-child > :nth-child({number})").all_inner_texts()
    )


def test_a_column_is_sorted_by_its_button_and_ranks_stay_with_their_entries(tab):
    section = tab.locator("section", has_text="512 models")
    of_entry = set(zip(column(tab, 4), column(tab, 6), column(tab, 2), strict=True))
    button = section.get_by_role("button", name="cost")
    button.click()
    costs = [float(text.rstrip("%?")) for text in column(tab, 12)]
    assert costs == sorted(costs)
    header = section.locator("th[aria-sort]")
    assert (header.inner_text().split()[0], header.get_attribute("aria-sort")) == ("cost", "ascending")
    button.click()
    assert [float(text.rstrip("%?")) for text in column(tab, 12)] == sorted(costs, reverse=True)
    assert set(zip(column(tab, 4), column(tab, 6), column(tab, 2), strict=True)) == of_entry
    section.get_by_role("button", name="reported").click()
    texts = column(tab, 16)
    known = [text for text in texts if text != "–"]
    assert texts == [*sorted(known, key=float), *["–"] * (len(texts) - len(known))]  # what is not known comes last


def test_filters_show_the_tables_and_rows_that_are_wanted(tab):
    assert tab.locator("section:visible").count() == 2
    tab.locator("select[name=models]").select_option("64")
    assert tab.locator("section:visible h2").inner_text().startswith("digits v2, forget random:0.2, cnn-8-16-16, 20 epochs, 64")
    tab.locator("select[name=models]").select_option("")
    tab.locator("select[name=family]").select_option("winner")
    assert set(tab.locator("tbody:visible td:nth-child(5)").all_inner_texts()) == {"winner"}


def test_two_or_three_entries_are_compared_as_the_command_compares_them(tab, cards):
    section = tab.locator("section", has_text="512 models")
    for name in ("seif (tuned)", "eu_k (tuned)", "original (published)"):
        section.get_by_label(f"compare {name}", exact=True).check()
    lines = section.locator(".compared p").all_inner_texts()
    by_name = {card.entry: card for card in cards}
    pairs = ranking.compare_all([row.card for row in ranking.rank(cards)[0] if row.rank is not None])
    assert len(lines) == 3
    difference = by_name["seif"].score.value - by_name["original"].score.value
    assert f"seif − original: {difference:.4f} [" in lines[1]
    assert lines[1].endswith("they differ")
    assert lines[0].endswith("a tie") == (not pairs.differ[0, 1])
    assert section.get_by_label("compare scl (tuned)", exact=True).is_disabled()  # three are enough


def test_everything_can_be_done_with_the_keyboard(tab):
    tab.keyboard.press("Tab")
    reached = []
    for _ in range(40):
        reached.append(tab.evaluate("document.activeElement.outerHTML.slice(0, 60)"))
        tab.keyboard.press("Tab")
    assert any("<select" in element for element in reached)
    assert any('id="theme"' in element for element in reached)
    assert any("<summary" in element for element in reached)
    tab.locator("thead button").nth(3).focus()
    tab.keyboard.press("Enter")
    assert tab.locator("th[aria-sort]").first.get_attribute("aria-sort") == "ascending"
    tab.locator("summary").first.focus()
    tab.keyboard.press("Enter")
    assert tab.locator("details[open] pre").first.inner_text().startswith("python evaluation/score.py")


def test_it_is_light_and_dark(tab):
    paper = partial(tab.evaluate, "getComputedStyle(document.body).backgroundColor")
    before = paper()
    tab.locator("#theme").click()
    assert paper() != before
    assert tab.locator("#theme").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("width", [390, 1440])
def test_on_any_screen_only_the_table_is_scrolled(tab, width):
    tab.set_viewport_size({"width": width, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_the_tables_can_be_downloaded(tab, cards):
    with tab.expect_download() as download:
        tab.get_by_role("link", name="JSON").click()
    data = json.loads(download.value.path().read_text())
    assert {name for table in data["tables"] for name in table["names"]} <= {card.entry for card in cards} | {
        f"{card.entry}--n64" for card in cards[:3]
    }
    with tab.expect_download() as download:
        tab.get_by_role("link", name="CSV").click()
    assert len(download.value.path().read_text().splitlines()) == len(cards) + 4


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(tab, theme):
    if theme == "dark":
        tab.locator("#theme").click()
    tab.locator("summary").first.click()
    require_accessible(tab)
