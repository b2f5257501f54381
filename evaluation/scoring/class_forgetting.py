"""Measures of the forgetting of a class, which stand beside the score wherever the forget request is one.

Whoever forgets a whole class wants other things than the score says: that the class is not recognised, that the others still
are, and that nothing of it is left that could be called back. All measures are of each model; what is given is the mean over
models with a 95 % t-interval (cut to [0, 1]; runs from one original model count as one value), and retrained models are beside
it, because what they have is what is wanted.

1. Accuracy on test images of the retain classes (D_r of the literature) and of the forgotten class (D_f).
2. Membership inference within the class: do losses tell forget images, which the original model was trained on, from validation
   and test images of the same class? The attack is the starting kit's (`attacks.membership`), 0.5 a blind guess. Forget
   images against *all* test images are told apart by their class, by models that never saw them, too.
3. Jensen-Shannon distance of the predicted distributions to those of retrained models, on forget images and on test images of
   the retain classes: the square root of the divergence in bits, 0 for the same predictions, 1 for disjoint ones. It is
   taken of model i of one population and model i of the other, example by example, and averaged over examples; for retrained
   models, against a second retrained population. Distances between mean predictions would hide that single models differ.
4. The Anamnesis Index (`evaluation.scoring.anamnesis`).

Sources: Chundawat, Tarun, Mandal and Kankanhalli, Zero-Shot Machine Unlearning (2023, https://arxiv.org/abs/2201.05629), for
accuracies and index; the same authors' Can Bad Teaching Induce Forgetting? (2023, https://arxiv.org/abs/2205.08096), for the
divergence of unlearned from retrained models.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr, softmax

from evaluation.attacks.membership import EXAMPLES, interval, membership_accuracies
from evaluation.metric.confidence import confidences
from evaluation.metric.designs import Groups
from evaluation.metric.measured import Measured
from evaluation.populations.population import Kind
from evaluation.populations.shards import origins
from evaluation.scoring.experiment import Experiment
from evaluation.scoring.scorecard import ClassForgetting, Estimate
from starting_kit.files import Arrays

Floats = NDArray[np.float64]
Logits = NDArray[np.floating]

# Names on the scorecard, and what people call them.
MEASURES = {
    "retain_classes_accuracy": "test accuracy, retain",
    "forget_class_accuracy": "test accuracy, forget",
    "membership_inference": "membership inference",
    "forget_distance": "JS distance, forget",
    "retain_classes_distance": "JS distance, retain",
}


@dataclass(frozen=True)
class ClassOutputs:
    """What is known of the models of a population where a class is to be forgotten: logits, [models, examples, classes].

    Attributes:
        forget: on the forget images, all of the class.
        held_out: on validation and test images of the class.
        forget_class: on test images of the class.
        retain_classes: on test images of the other classes.
        labels: of the latter, [examples].
        forgotten: the class.
    """

    forget: Logits
    held_out: Logits
    forget_class: Logits
    retain_classes: Logits
    labels: NDArray[np.integer]
    forgotten: int

    @classmethod
    def of(cls, arrays: Arrays, forgotten: int) -> "ClassOutputs":
        """Of what `populations.load_arrays` gives."""
        of_class = {split: arrays[f"labels_{split}"] == forgotten for split in ("validation", "test")}
        held_out = {split: arrays[f"logits_{split}"][:, which] for split, which in of_class.items()}
        others = ~of_class["test"]
        return cls(
            arrays["logits_forget"],
            np.concatenate(list(held_out.values()), axis=1),
            held_out["test"],
            arrays["logits_test"][:, others],
            arrays["labels_test"][others],
            forgotten,
        )


def of_experiment(made: Experiment) -> Measured[ClassForgetting]:
    """Every measure of each population, where a class is to be forgotten.

    Raises:
        DamagedFileError: a shard was damaged since it was made.
    """
    forgotten = made.populations["unlearned"].task.forgotten_class
    if forgotten is None or made.anamnesis is None:
        return Measured(reason="the forget request is no class")

    def load(kind: Kind) -> ClassOutputs:
        return ClassOutputs.of(made.arrays(kind), forgotten)

    originals = origins(made.populations["unlearned"], made.models["unlearned"], made.failed_of("unlearned"))
    return Measured(ClassForgetting(forgotten, **measure(load, originals), anamnesis_index=made.anamnesis))


def measure(load: Callable[[Kind], ClassOutputs], originals: Groups | None = None) -> dict[str, Measured[dict[str, Estimate]]]:
    """Every measure but the index: by population, or the reason why there is none.

    Args:
        load: gives a population's outputs; one is forgotten before the next is loaded, as each may have half a gigabyte.
        originals: the number of the original model that each unlearned model comes from, [models].
    """
    retrained = load("retrained")
    by_population = {
        "unlearned": _compared(load("unlearned"), retrained),
        "retrained": of_models(retrained) | distances(load("second_retrained"), retrained),
        "original": of_models(load("original")),
    }
    reasons = _reasons(retrained)
    found = {}
    for name in MEASURES:
        estimates = {
            kind: estimate(values[name], originals if kind == "unlearned" else None)
            for kind, values in by_population.items()
            if name in values
        }
        found[name] = Measured(estimates) if estimates else Measured(reason=reasons[name])
    return found


def _compared(outputs: ClassOutputs, retrained: ClassOutputs) -> dict[str, Floats]:
    return of_models(outputs) | distances(outputs, retrained)


def of_models(outputs: ClassOutputs) -> dict[str, Floats]:
    """The measures that need one population only, of each model, [models]; those without enough images are left out."""
    values = {}
    if outputs.retain_classes.shape[1]:
        values["retain_classes_accuracy"] = (outputs.retain_classes.argmax(axis=-1) == outputs.labels).mean(axis=1)
    if outputs.forget_class.shape[1]:
        values["forget_class_accuracy"] = (outputs.forget_class.argmax(axis=-1) == outputs.forgotten).mean(axis=1)
    members, others = outputs.forget, outputs.held_out
    if min(members.shape[1], others.shape[1]) >= EXAMPLES:
        of_class = [confidences(part, np.full(part.shape[1], outputs.forgotten)) for part in (members, others)]
        values["membership_inference"] = membership_accuracies(*of_class)
    return values


def distances(first: ClassOutputs, second: ClassOutputs) -> dict[str, Floats]:
    """Mean Jensen-Shannon distance of model i of one and model i of the other population, as far as both have any, [models]."""
    pairs = {
        "forget_distance": (first.forget, second.forget),
        "retain_classes_distance": (first.retain_classes, second.retain_classes),
    }
    return {
        name: np.array([jensen_shannon(*models).mean() for models in zip(*pair, strict=False)])
        for name, pair in pairs.items()
        if pair[0].shape[1]
    }


def jensen_shannon(first: Logits, second: Logits) -> Floats:
    """Jensen-Shannon distance, in bits, of the distributions of two models for each example, [examples], in [0, 1].

    Args:
        first: logits of a model, [examples, classes].
        second: of the other.

    >>> jensen_shannon(np.array([[0.0, 0.0], [900.0, 0.0]]), np.array([[7.0, 7.0], [0.0, 900.0]]))
    array([0., 1.])
    """
    p, q = (softmax(logits.astype(np.float64), axis=-1) for logits in (first, second))
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / (2 * np.log(2))
    distance: Floats = np.sqrt(divergence.clip(0, 1))
    return distance


def estimate(values: Floats, originals: Groups | None = None) -> Estimate:
    """Mean over models, and the interval of what it would be for infinitely many (arguments as for `interval`).

    >>> estimate(np.array([0.25, 0.5, 0.75, 0.5])).mean
    0.5
    """
    low, high = (min(max(end, 0.0), 1.0) for end in interval(values, originals))
    return Estimate(float(values.mean()), (low, high))


def _reasons(outputs: ClassOutputs) -> dict[str, str]:
    forget, held_out = outputs.forget.shape[1], outputs.held_out.shape[1]
    others = "there are no test images of the retain classes"
    return {
        "retain_classes_accuracy": others,
        "retain_classes_distance": others,
        "forget_class_accuracy": "there are no test images of the forgotten class",
        "forget_distance": "there are no forget images",
        "membership_inference": f"there are too few images of the class ({forget} forget, {held_out} validation and test), "
        f"{EXAMPLES} of each are needed",
    }
