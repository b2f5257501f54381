import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, cache):
    """Decoded pictures are not looked for in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
