"""From a configuration to a scorecard.

card = score(ScoringConfig(solution="scl_improved", models=64))
"""

from evaluation.scoring.config import FolderConfig, PairConfig, ScoringConfig
from evaluation.scoring.reporter import SILENT, Reporter
from evaluation.scoring.scorecard import Scorecard
from evaluation.scoring.scored import Scored
from evaluation.scoring.scorer import score, score_folder, score_in_full

__all__ = [
    "SILENT",
    "FolderConfig",
    "PairConfig",
    "Reporter",
    "Scorecard",
    "Scored",
    "ScoringConfig",
    "score",
    "score_folder",
    "score_in_full",
]
