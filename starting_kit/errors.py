"""The two ways a command ends badly; each is one sentence for the user and one exit code."""


class InputError(Exception):
    """The command line or an input file is wrong (exit code 2)."""


class RunError(Exception):
    """The work itself failed: a solution raised, a worker died (exit code 1)."""
