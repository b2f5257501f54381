"""What pages for browsers have in common: their templates and drawings."""

from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from evaluation.metric.forgetting import histogram
from evaluation.scoring.scorecard import Scorecard

HEIGHT, BAR = 60, 16  # of the drawing of a histogram, and the width of one of its bars with what is left free
BINS = 32  # of two distributions over each other


def environment() -> Environment:
    """Templates that escape whatever is put into them."""
    return Environment(
        loader=PackageLoader("evaluation.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def by_epsilon(card: Scorecard) -> dict[str, Any]:
    """Forget examples by ε, in the bins in which they earn points, as a path of bars."""
    lows, counts = histogram(np.array([each.epsilon for each in card.epsilons]), card.models)
    bars = "".join(
        f"M{BAR * place} {HEIGHT}v{-round(58 * count / counts.max(), 1):g}h14V{HEIGHT}z"
        for place, count in enumerate(counts)
        if count
    )
    text = ", ".join(f"{count} from {low:g}" for low, count in zip(lows, counts, strict=True) if count)
    return {"width": BAR * len(counts), "height": HEIGHT, "path": bars, "text": text}


def densities(unlearned: NDArray[np.float64], retrained: NDArray[np.float64]) -> dict[str, Any]:
    """Two distributions over each other, as closed paths; the bins are the same, and so is the scale.

    Args:
        unlearned: confidences of these models on one example, [models].
        retrained: the same.
    """
    both = np.concatenate([unlearned, retrained])
    low, high = float(both.min()), float(both.max())
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    shares = [np.histogram(values, edges)[0] / len(values) for values in (unlearned, retrained)]
    most = max(float(share.max()) for share in shares)
    paths = []
    for share in shares:
        steps = "".join(f"V{HEIGHT - round(56 * float(height) / most, 1):g}h5" for height in share)
        paths.append(f"M0 {HEIGHT}{steps}V{HEIGHT}z")
    return {
        "width": 5 * BINS,
        "height": HEIGHT,
        "unlearned": paths[0],
        "retrained": paths[1],
        "low": f"{low:.1f}",
        "high": f"{high:.1f}",
        "text": ", ".join(
            f"{kind} {values.mean():.2f} ± {values.std():.2f}"
            for kind, values in (("unlearned", unlearned), ("retrained", retrained))
        ),
    }
