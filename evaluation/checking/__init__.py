"""What is wrong with a solution, found out in a minute, before it is scored.

check(ScoringConfig(solution="my_solution.py")).named("failure")
"""

from evaluation.checking.checker import CONTRACT, PROPERTIES, check
from evaluation.checking.verdict import Report, Verdict

__all__ = ["CONTRACT", "PROPERTIES", "Report", "Verdict", "check"]
