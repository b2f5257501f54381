"""From a configuration to a scorecard."""
