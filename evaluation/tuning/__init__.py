"""Fitting hyper-parameters to a task."""
