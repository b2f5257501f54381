"""One score as one HTML file that asks nobody for anything: what it is, where it is lost, and on which examples."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray
from PIL import Image
from rich.text import Text

from evaluation.metric.what_if import what_if
from evaluation.reports import pages, summary, verdict
from evaluation.reports.command import command
from evaluation.reports.formats import alarms, equal_models, failed_runs, interval, known, number, percent
from evaluation.scoring.scorecard import Scorecard
from evaluation.scoring.scored import Scored
from starting_kit.tasks.data import Data

EXAMPLES = 3  # forget examples of each kind that are shown
PICTURE = 96  # pixels across, at least
IF = {
    "place": "if the runs lay where retrained models lie",
    "spread": "if the runs spread as much as retrained models do",
    "place and spread": "if both were so: what is lost then is lost by the shape of the distributions",
    "accuracy": "if no accuracy were lost",
    "outlying runs": "without runs that failed or lie far from the others",
}


def page(scored: Scored, workers: int = 1) -> str:
    """The whole page.

    Args:
        scored: what is reported.
        workers: threads.

    Raises:
        InputError: the data set cannot be read any more.
    """
    card, data = scored.card, None if scored.task is None else scored.task.load()
    content = {
        "title": f"{card.solution} on {card.task}",
        "score": number(card.score),
        "interval": interval(card.score_interval),
        "alarms": [*equal_models(card), *failed_runs(card), *alarms(card)],
        "verdict": verdict.sentence(card),
        "scale": _scale(card),
        "what_ifs": _what_ifs(scored, workers),
        "histogram": pages.by_epsilon(card),
        "examples": [_example(scored, row, kind, data) for row, kind in _chosen(card)],
        "opinions": list(_opinions(card)),
        "lines": [(name, Text.from_markup(text).plain) for name, text in summary.lines_of(card)],
        "environment": list(_environment(card)),
        "notes": [] if card.notes is UNSET else card.notes,
        "command": command(card),
    }
    return pages.environment().get_template("report.html").render(content)


def _scale(card: Scorecard) -> dict[str, Any] | None:
    """The score between 0 and the ceiling, in percent of the drawing's width."""
    ceiling, score, untouched = (known(value) for value in (card.ceiling, card.score, card.originals_score))
    if score is None or not ceiling:
        return None
    low, high = card.score_interval.value or (score, score)
    most = max(ceiling, high, untouched or 0)
    places = {"score": score, "low": low, "high": high, "ceiling": ceiling, "untouched": untouched}
    return {
        **{name: None if value is None else round(100 * value / most, 2) for name, value in places.items()},
        "texts": {"ceiling": number(ceiling), "untouched": number(untouched)},
    }


def _what_ifs(scored: Scored, workers: int) -> list[dict[str, Any]]:
    """Scores without one difference each, and how much of the drawing's width they take."""
    score, ceiling = scored.card.score.value, scored.card.ceiling.value
    if score is None:
        return []
    rows = [("as it is", score)]
    rows += [(IF[name], value) for name, value in what_if(scored.unlearned, scored.retrained, workers).items()]
    rows += [("the ceiling: retrained models against others", ceiling)] if ceiling else []
    most = max(value for _, value in rows) or 1.0
    return [{"text": text, "score": number(value), "width": round(100 * value / most, 1)} for text, value in rows]


def _chosen(card: Scorecard) -> Iterator[tuple[int, str]]:
    """Forget examples that are shown, each once: their places, and whether they are the worst, the median or the best."""
    order = np.argsort([-each.epsilon for each in card.epsilons], kind="stable").tolist()
    middle = max(0, (len(order) - EXAMPLES) // 2)
    parts = {"worst": order[:EXAMPLES], "median": order[middle : middle + EXAMPLES], "best": order[-EXAMPLES:]}
    seen = set[int]()
    for kind, rows in parts.items():
        yield from ((row, kind) for row in rows if row not in seen)
        seen |= set(rows)


def _example(scored: Scored, row: int, kind: str, data: Data | None) -> dict[str, Any]:
    found, confidences = scored.card.epsilons[row], (scored.unlearned, scored.retrained)
    return {
        "kind": kind,
        "id": found.example,
        "label": "" if data is None else str(data.labels[found.example]),
        "epsilon": f"{found.epsilon:.2f}",
        "memorised": "" if found.memorisation is UNSET else f"{found.memorisation:.1f}",
        "picture": _picture(data.images[found.example], scored.task.pixel_range) if data and scored.task else "",
        "densities": pages.densities(*(outputs.confidences["forget"][:, row] for outputs in confidences)),
    }


def _picture(pixels: NDArray[Any], limits: tuple[float, float]) -> str:
    """An image [channels, height, width] with values in these limits, as a PNG in a data URI; small pixels become squares."""
    planes = pixels[:3] if len(pixels) >= 3 else pixels[:1].repeat(3, axis=0)
    shares = (planes.astype(np.float64) - limits[0]) / (limits[1] - limits[0])
    image = Image.fromarray(np.ascontiguousarray(np.round(255 * shares.clip(0, 1)).astype(np.uint8).transpose(1, 2, 0)))
    times = -(-PICTURE // min(image.size))
    file = io.BytesIO()
    image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST).save(file, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _opinions(card: Scorecard) -> Iterator[dict[str, str]]:
    """The second opinions, each by its most telling numbers, with how often it is wrong about retrained models."""
    for name, opinion, values in summary.headlines(card.attacks):
        unlearned, retrained = ("–" if value is None else f"{value:.3f}" for value in values)
        yield {
            "name": name,
            "unlearned": unlearned,
            "retrained": retrained,
            "better": opinion.better,
            "false_alarms": "–" if opinion.false_alarms is UNSET else percent(opinion.false_alarms),
            "reason": "" if opinion.reason is UNSET else opinion.reason,
        }


def _environment(card: Scorecard) -> Iterator[tuple[str, str]]:
    """What it was made with, and how long it took."""
    for name in ("platform", "device", "instruction_set", "python", "torch", "numpy", "sandbox", "workers"):
        value = getattr(card.environment, name)
        if value is not UNSET:
            yield name.replace("_", " "), str(value)
    if card.environment.git_commit.value:
        yield "commit", card.environment.git_commit.value
    yield "seconds", ", ".join(f"{name.replace('_', ' ')} {seconds:.1f}" for name, seconds in card.seconds.items())
