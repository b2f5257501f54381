"""Populations: N models of one kind, made by worker processes and kept as files."""
