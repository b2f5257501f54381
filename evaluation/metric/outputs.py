"""What scoring knows about a population: confidences on the examples of each split, and accuracies, model by model."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evaluation.metric.confidence import confidences, margins

Floats = NDArray[np.float64]

MODELS_AT_ONCE = 64  # at 5,000 examples of 10 classes they take 26 MB in float64, and a few copies are made
LOGITS = 5000  # kept of a model: all of 90 examples of 10 classes; of 5,000 such examples 10 MB for 512 models instead of 100


@dataclass(frozen=True)
class Outputs:
    """What is known about the models of one population; a split about which nothing is known is absent.

    Attributes:
        ids: per split, ids of the examples, [examples].
        confidences: per split, log-odds of the true class, [models, examples].
        forget_margins: logit of the true class minus the largest other logit, [models, examples], or None where only
            confidences are known.
        accuracy: per split, of each model, [models], in [0, 1].
        age_error: per split, of each model, [models], in years; empty where no ages are known.
        originals: of unlearned models, the number of the original model that each comes from, [models]; None where it is not
            known.
        forget_logits: float32, [models, examples, classes], of all forget examples or of so many, evenly spread, that a model
            has at most `LOGITS` numbers; None where only confidences are known.
        failed: runs that gave no model, and so are not among the models. Whoever sees one knows that it is no retrained model.
    """

    ids: Mapping[str, NDArray[np.int64]]
    confidences: Mapping[str, Floats]
    forget_margins: Floats | None
    accuracy: Mapping[str, Floats]
    age_error: Mapping[str, Floats] = field(default_factory=dict)
    originals: NDArray[np.int64] | None = None
    forget_logits: NDArray[np.float32] | None = None
    failed: int = 0

    @classmethod
    def from_logits(
        cls,
        logits: Mapping[str, NDArray[np.floating]],
        labels: Mapping[str, NDArray[np.integer]],
        ids: Mapping[str, NDArray[np.int64]],
        accuracy: Mapping[str, Floats],
    ) -> "Outputs":
        """Outputs from logits [models, examples, classes] and labels [examples] per split, "forget" among them.

        Raises:
            ValueError: the shapes do not fit, a label is not a class, or a logit is NaN or infinite.
        """
        by_split = {split: _in_blocks(confidences, values, labels[split]) for split, values in logits.items()}
        of_forget = _in_blocks(margins, logits["forget"], labels["forget"])
        return cls(ids, by_split, of_forget, accuracy, forget_logits=_some_examples(logits["forget"]))

    @property
    def models(self) -> int:
        """How many models, without those that failed."""
        return len(self.confidences["forget"])

    @property
    def runs(self) -> int:
        """How many models, and runs that gave none."""
        return self.models + self.failed

    @property
    def different_models(self) -> int:
        """How many models there are if those are one whose outputs agree in every bit."""
        known = (*self.confidences.values(), *self.accuracy.values())
        rows = (b"".join(values[model].tobytes() for values in known) for model in range(self.models))
        return len({hashlib.sha256(row).digest() for row in rows})

    @property
    def fingerprint(self) -> str:
        """What tells these models apart from others: a hash of their confidences on forget examples."""
        return hashlib.sha256(self.confidences["forget"].tobytes()).hexdigest()[:16]

    def take(self, models: slice | NDArray[np.int64]) -> "Outputs":
        """Some of the models, by their numbers."""
        return Outputs(
            self.ids,
            {split: values[models] for split, values in self.confidences.items()},
            None if self.forget_margins is None else self.forget_margins[models],
            {split: values[models] for split, values in self.accuracy.items()},
            {split: values[models] for split, values in self.age_error.items()},
            None if self.originals is None else self.originals[models],
            None if self.forget_logits is None else self.forget_logits[models],
        )

    def halves(self) -> tuple["Outputs", "Outputs"]:
        """Two populations of half as many models each, without a common model."""
        half = self.models // 2
        return self.take(slice(half)), self.take(slice(half, 2 * half))


def _some_examples(logits: NDArray[np.floating]) -> NDArray[np.float32]:
    """Logits of all examples, or of evenly spread ones that are at most `LOGITS` numbers per model."""
    examples, classes = logits.shape[1:]
    step = -(-examples // max(LOGITS // classes, 1))
    return np.ascontiguousarray(logits[:, ::step], dtype=np.float32)


def _in_blocks(
    statistic: Callable[[NDArray[np.floating], NDArray[np.integer]], Floats],
    logits: NDArray[np.floating],
    labels: NDArray[np.integer],
) -> Floats:
    """A statistic of each model and example, computed for `MODELS_AT_ONCE` models at a time to bound memory."""
    result = np.empty(logits.shape[:-1])
    for start in range(0, len(logits), MODELS_AT_ONCE):
        block = slice(start, start + MODELS_AT_ONCE)
        result[block] = statistic(logits[block], labels)
    return result
