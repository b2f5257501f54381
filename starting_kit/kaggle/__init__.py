"""From a solution to a score on Kaggle: the notebook, its check, the client, and the steps in between."""
