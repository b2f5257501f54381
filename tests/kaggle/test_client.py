import sys
import time

import pytest

from starting_kit.errors import RunError
from starting_kit.kaggle import client
from starting_kit.kaggle.client import RefusedError, UnreachableError


def test_a_mute_client_is_ended(monkeypatch):
    monkeypatch.setattr(client, "REQUEST_SECONDS", 0.1)
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"did not answer within 0\.1 seconds"):
        client._run([sys.executable, "-c", "import time; time.sleep(60)"])
    assert time.monotonic() - began < 30


def said(text, code=1):
    return [sys.executable, "-c", f"import sys; print({text!r}); sys.exit({code})"]


def test_only_what_was_certainly_refused_counts_as_refused():
    with pytest.raises(RefusedError, match="Kaggle refuses: The title is taken"):
        client._run(said("Kernel push error: The title is taken.", code=0))
    with pytest.raises(RefusedError, match="409 Client Error: Conflict"):
        client._run(said("409 Client Error: Conflict for url"))
    with pytest.raises(UnreachableError, match="trouble of its own"):
        client._run(said("502 Server Error: Bad Gateway"))
    with pytest.raises(RunError, match="The Kaggle client failed: KeyError: 'x'") as raised:
        client._run(said("KeyError: 'x'"))
    assert not isinstance(raised.value, RefusedError)
