"""The version of the arithmetic by which models are made.

It is part of the key of every population from 2 on, so raising it makes stored populations anew. Raise it when a change of the
kit may change a model's numbers, rounding included. `tests/populations/test_engine_version.py` notices such changes.
"""

ENGINE_VERSION = 2
