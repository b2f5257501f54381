"""Published values carried over to a task by its number of steps: one rule for all solutions, with no fitting.

What a schedule does hangs on the number of its steps and on its learning rates, and, by the noise of its gradients, on learning
rate over batch size. So learning rates and epochs stay, and all batch sizes, of the loaders and of the solution's own
arguments, are divided by one factor: how many times as many retain examples there were where the values were published. Then an
epoch has as many steps as it had there. No batch gets smaller than `SMALLEST`, because batch-norm has to estimate means and
deviations from it; where the factor asks for less, an epoch has fewer steps than it had, and the transfer is partial.

Where the values were published is the competition, unless the solution's constant `METADATA` has other `published_steps` and
`published_batch_size`. A solution's own batch sizes are the whole numbers among its hyper-parameters whose names end in
`batch_size`.
"""

from dataclasses import dataclass
from typing import Any

SMALLEST = 8


@dataclass(frozen=True)
class Published:
    """An epoch of the retain set where a solution's values were published.

    Attributes:
        steps: of the epoch; 0 for a solution that makes up its own data, of which there are as many on every task.
        batch_size: of the loaders.
    """

    steps: int
    batch_size: int

    def factor(self, retain: int) -> float:
        """By what batch sizes are divided on a task with so many retain examples."""
        return self.steps * self.batch_size / retain if self.steps else 1.0

    def loader_batch_size(self, retain: int) -> int | None:
        """That of the loaders on a task with so many retain examples; None for the task's, which nothing hangs on."""
        return self._on(retain, self.batch_size) if self.steps else None

    def values(self, defaults: dict[str, Any], retain: int) -> dict[str, int]:
        """A solution's own batch sizes on a task with so many retain examples, by name."""
        sizes = {name: size for name, size in defaults.items() if name.endswith("batch_size") and type(size) is int}
        return {name: self._on(retain, size) for name, size in sizes.items()}

    def _on(self, retain: int, batch_size: int) -> int:
        """What a published batch size becomes."""
        return max(min(SMALLEST, batch_size), round(batch_size / self.factor(retain)))

    def said(self, retain: int) -> str:
        """For people: how many steps an epoch has on a task with so many retain examples, and had."""
        size = self.loader_batch_size(retain)
        if size is None:
            return "Transferred: it makes up its own data, so nothing changes with the task."
        less = self.batch_size / self.factor(retain) < SMALLEST
        lost = f" Batch-norm needs {SMALLEST} examples a batch, so the transfer is partial." if less else ""
        return (
            f"Transferred: an epoch of the retain set has {-(-retain // size)} steps in batches of {size}; where the values "
            f"were published it had {self.steps} in batches of {self.batch_size}.{lost}"
        )


COMPETITION = Published(steps=375, batch_size=64)  # 24,000 retain images


def published(metadata: Any) -> Published:
    """What the constant `METADATA` of a solution's module says of it; else the competition's, for which most are made."""
    known = metadata if isinstance(metadata, dict) else {}
    return Published(known.get("published_steps", COMPETITION.steps), known.get("published_batch_size", COMPETITION.batch_size))
