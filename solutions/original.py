"""The original model, unchanged: what forgetting quality is worth without forgetting.

Its runs do not differ from each other, so an attacker tells every example perfectly and the score is 0. (How a population of
differently seeded original models would score is on every scorecard as well, as `originals_score`.)
"""

METADATA = {
    "family": "baseline",
    "source": "none",
    "reported": "none",
    "values": "published",
    "needs": "nothing",
}

from typing import Any

from torch import nn
from torch.utils.data import DataLoader


def unlearning(
    net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any], val_loader: DataLoader[Any]
) -> None:
    """Do nothing."""
