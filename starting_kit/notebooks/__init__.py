"""Taking `unlearning` out of a notebook."""
