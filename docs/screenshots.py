"""Makes the pictures of the leaderboard's page and of a report, as one sees them on a screen and on a telephone.

python docs/screenshots.py           (takes as long as `make score`; needs chromium, as Debian's package has it, and playwright)
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import sync_playwright

from evaluation.reports import html, ranking, report
from evaluation.scoring import ScoringConfig, score_in_full

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
RESULTS = ROOT / "runs" / "results"  # not the published ones
SCREENS = {"leaderboard.png": (1440, 860), "leaderboard-390.png": (390, 844)}


def main() -> None:
    """Make them."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("There is no chromium on the path; Debian's package of that name brings it.")
    page = html.page(ranking.rank(ranking.read_all(ROOT / "results", "digits")))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (width, height) in SCREENS.items():
            tab = browser.new_page(viewport={"width": width, "height": height})
            tab.set_content(page)
            if width > 1000:
                tab.locator("tbody", has_text="seif").first.locator("summary").click()
                for entry in ("seif (tuned)", "eu_k (tuned)"):
                    tab.get_by_label(f"compare {entry}", exact=True).check()
            tab.screenshot(path=FIGURES / name)
            tab.close()
        tab = browser.new_page(viewport={"width": 960, "height": 1180})
        tab.set_content(report.page(score_in_full(ScoringConfig(solution="scl_improved", runs=ROOT / "runs", results=RESULTS))))
        tab.screenshot(path=FIGURES / "report.png")
        browser.close()


if __name__ == "__main__":
    main()
