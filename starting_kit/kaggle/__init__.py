"""A solution on its way to Kaggle: the notebook, its check, the client, and the steps that were done."""
