"""Second opinions: other ways to tell unlearned from retrained models, beside the competition's score.

The score rests on one statistic and one estimator, which is biased and in-sample. Each second opinion is one module that looks
at the same populations in another way, and none enters the score. Beside each number stands the one that a perfect solution
would get: the same statistic for retrained models against retrained models.
"""

from typing import Any

from evaluation.attacks import all_classes, distances, gaussian_dp, klom, likelihood_ratio, lower_bound, membership, ulira
from evaluation.attacks.attack import Attack, NotComputableError, Statistics
from evaluation.metric.outputs import Outputs

__all__ = ["ATTACKS", "Attack", "NotComputableError", "second_opinions"]

ATTACKS: tuple[Attack, ...] = (
    distances.ATTACK,
    lower_bound.ATTACK,
    gaussian_dp.ATTACK,
    ulira.ATTACK,
    all_classes.ATTACK,
    likelihood_ratio.ATTACK,
    klom.ATTACK,
    membership.ATTACK,
)


def second_opinions(unlearned: Outputs, retrained: Outputs, reference: tuple[Outputs, Outputs]) -> dict[str, dict[str, Any]]:
    """Every second opinion on a population, and on one that is as good as can be.

    Args:
        unlearned: the population that is judged.
        retrained: the population that it is compared with, on the same examples.
        reference: two retrained populations without a common model: a second one and `retrained`, or two halves.

    Returns:
        Per attack, {"better", "unlearned", "retrained", "retrained_models"}: which values are good, the statistics of the
        unlearned population, those of retrained against retrained models, and how many models each population of the latter
        has. What cannot be computed is None, and "reason" says why. An attack that tests at the 5 % level has
        "false_alarms" as well: the share of its tests that call retrained models different from retrained models.
    """
    opinions: dict[str, dict[str, Any]] = {}
    for attack in ATTACKS:
        judged, reason = _attempt(attack, unlearned, retrained)
        expected, reference_reason = _attempt(attack, *reference)
        opinions[attack.name] = {
            "better": attack.better,
            "unlearned": judged,
            "retrained": expected,
            "retrained_models": reference[0].models,
        }
        if attack.alarms and expected is not None:
            opinions[attack.name]["false_alarms"] = attack.alarms(expected)
        if reason or reference_reason:
            opinions[attack.name]["reason"] = reason or f"retrained against retrained: {reference_reason}"
    return opinions


def _attempt(attack: Attack, unlearned: Outputs, retrained: Outputs) -> tuple[Statistics | None, str]:
    """The statistics, and why some or all of them are None."""
    try:
        statistics = attack.statistics(unlearned, retrained)
    except NotComputableError as error:
        return None, str(error)
    return statistics, attack.missing if None in statistics.values() else ""
