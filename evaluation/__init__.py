"""From a solution to its scorecard: populations, the competition's metric, the leaderboard."""
