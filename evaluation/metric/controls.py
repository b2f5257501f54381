"""Controls: what must be looked at before a score is believed."""

from evaluation.metric.measured import Controls, Measured, Nearness, OutlyingRuns
from evaluation.metric.nearness import Integers, NoLineError, place
from evaluation.metric.outlying import outlying
from evaluation.metric.outputs import Outputs


def controls(
    unlearned: Outputs,
    retrained: Outputs,
    reference: tuple[Outputs, Outputs],
    original: Outputs | None,
    groups: Integers | None = None,
) -> Controls:
    """Failed runs, and to what the unlearned models are nearer.

    Args:
        unlearned: what is scored.
        retrained: what it is compared with.
        reference: two populations of retrained models without a common model.
        original: models that have forgotten nothing; None where such models are not known.
        groups: [models], which original each unlearned model comes from; None if each has its own.
    """
    runs = OutlyingRuns(int(outlying(unlearned, retrained).sum()), int(outlying(*reference).sum()))
    return Controls(outlying_runs=runs, nearness=_nearness(unlearned, retrained, original, groups))


def _nearness(unlearned: Outputs, retrained: Outputs, original: Outputs | None, groups: Integers | None) -> Measured[Nearness]:
    if original is None:
        return Measured(reason="original models are not known")
    of_unlearned, of_retrained, of_original = (each.confidences["forget"] for each in (unlearned, retrained, original))
    try:
        return Measured(Nearness(*place(of_unlearned, of_retrained, of_original, groups)))
    except NoLineError as error:
        return Measured(reason=str(error))
