"""Properties that cost score, rank or time, and break no contract."""

import numpy as np
from numpy.typing import NDArray

from evaluation.checking.observed import Kaggle, Lockstep, Runs
from evaluation.checking.verdict import Finding, Property, has, unknown, weak
from evaluation.metric.outlying import outlying
from evaluation.metric.outputs import Outputs
from evaluation.scoring.cost import Turn, interval, share
from evaluation.scoring.scorecard import COST_LIMIT, NARROW, WIDE

FEWEST = 4  # runs with a spread
MANY = 2  # outlying runs: of 16 normal ones, like the 32 retrained ones, in 1 % of cases; one is in 9 %
SAME = 1e-6  # a ratio of spreads that is rounding's

Floats = NDArray[np.float64]


def runs_complete(runs: Runs) -> Finding:
    """Many runs end without an error."""
    if len(runs.forget) < runs.wanted:
        return has(f"{len(runs.forget)} of {runs.wanted} runs, for which there was time, without an error")
    return has(f"{runs.wanted} of {runs.wanted} without an error")


def spread(runs: Runs, retrained: Runs) -> Finding:
    """Runs from one original model differ as much as retrained models do."""
    count = len(runs.forget)
    if count < FEWEST:
        return unknown(f"{count} runs are too few for it; --time-limit gives more time")
    ratio = spread_ratio(np.array(runs.forget), np.array(retrained.forget))
    said = f"{count} runs vary {ratio:.2g} times as much as retrained models (median forget example)"
    if ratio < SAME:
        return weak(
            f"{count} runs do not differ at all",
            "An attacker tells every example, and the score is 0: draw something at random",
        )
    if ratio < NARROW:
        return weak(
            said,
            "Too narrow, where 1 would be right and 0 scores 0: more training in random order, a higher learning "
            "rate, or noise on the weights to begin with",
        )
    if ratio > WIDE:
        return weak(said, "Too wide, where 1 would be right: less noise, or more training on the retain set after it")
    return has(said)


def no_outlying_runs(runs: Runs, retrained: Runs) -> Finding:
    """No run lies far from the others."""
    count = len(runs.forget)
    if count < FEWEST:
        return unknown(f"{count} runs are too few for it; --time-limit gives more time")
    found = outlying(_outputs(runs), _outputs(retrained))
    if found.sum() >= MANY:
        numbers = ", ".join(str(run) for run in np.flatnonzero(found))
        return weak(
            f"{found.sum()} of {count} runs lie far from the others (runs {numbers})",
            "A few such runs decide the score: look for divergence (lower the learning rate, clip gradients)",
        )
    return has(f"{found.sum()} of {count} runs lie far from the others")


def cost(unlearning: list[float], retraining: list[float]) -> Finding:
    """An unlearning takes at most a fifth of the time of a retraining."""
    turns = [Turn(*seconds) for seconds in zip(unlearning, retraining, strict=False)]
    bounds, ratio = interval(turns).value, share(turns)
    said = f"{ratio:.1%} of a retraining ({np.median(unlearning):.2g} of {np.median(retraining):.2g} s)"
    if ratio <= COST_LIMIT:
        close = bounds is not None and bounds[1] > COST_LIMIT
        return has(f"{said}, close to the limit: score.py times it longer" if close else said)
    return weak(
        said,
        f"Above {COST_LIMIT:.0%} it is listed without a rank: fewer epochs, larger batches, or a part of the retain set",
    )


def kaggle(seen: Kaggle) -> Finding:
    """A notebook made of it would run on Kaggle."""
    if seen.trains:
        return weak("it brings its own trainer, and the competition gives its original model", "It cannot be submitted")
    if seen.fault:
        return weak(seen.fault, "Bring tensors to the network's device: x.to(next(net.parameters()).device)")
    if seen.missing:
        return weak(f"Kaggle is not known to have {', '.join(seen.missing)}", "Do without, or put the code into the file")
    if seen.files:
        return weak(f"the notebook does not bring {', '.join(seen.files)}", "Put what it needs into the file itself")
    if seen.unwritable:
        return weak(seen.unwritable, "Give a number, a text or a list instead")
    return has(
        "nothing is missing" + ("; its loaders bring batches to the GPU, which this file does not" if seen.moves else "")
    )


def lockstep(seen: Lockstep) -> Finding:
    """It can run for several models at once, which takes a fraction of the time."""
    if seen.at_once.value is None:
        return weak(
            f"it runs for one model at a time: {seen.at_once.reason}",
            "It is scored all the same, which takes longer; LOCKSTEP = False in the file saves this trial",
        )
    return has(f"proven: {seen.at_once.value} models at once, each with the weights that it gets alone")


def spread_ratio(unlearned: Floats, retrained: Floats) -> float:
    """The median, over examples on which retrained models vary, of the ratio of standard deviations.

    Args:
        unlearned: confidences of the runs, [models, examples].
        retrained: confidences of the retrained models, likewise.

    >>> spread_ratio(np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]]))
    0.5
    """
    own, theirs = unlearned.std(axis=0, ddof=1), retrained.std(axis=0, ddof=1)
    return float(np.median(own[theirs > 0] / theirs[theirs > 0])) if (theirs > 0).any() else 1.0


def _outputs(runs: Runs) -> Outputs:
    accuracy = {"retain": np.array(runs.retain_accuracy), "test": np.array(runs.test_accuracy)}
    return Outputs({}, {"forget": np.array(runs.forget)}, None, accuracy)


OF_SCORE = (
    Property("many runs", runs_complete, ("runs",), "runs"),
    Property("spread", spread, ("runs", "retrained")),
    Property("outlying runs", no_outlying_runs, ("runs", "retrained")),
    Property("cost", cost, ("unlearning times", "retraining times")),
    Property("Kaggle", kaggle, ("kaggle",)),
    Property("lockstep", lockstep, ("lockstep",)),
)
