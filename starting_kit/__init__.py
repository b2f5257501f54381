"""What a competitor reads and copies: the tasks, the networks, the training, the contract of a solution."""
