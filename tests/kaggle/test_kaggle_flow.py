import json

import pytest

from kaggle_server import DROP, HTML, LOST, KaggleServer
from starting_kit.errors import InputError, RunError
from starting_kit.files import write_json
from starting_kit.kaggle import client, submission
from starting_kit.kaggle.client import UnreachableError
from starting_kit.kaggle.flow import Flow

KERNEL = "somebody/unlearning-tested"


@pytest.fixture
def server(monkeypatch, tmp_path):
    with KaggleServer().running() as server:
        for name, value in server.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        for name in ("KAGGLE_API_TOKEN", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield server


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "tested"
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "1", "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    write_json(folder / submission.NOTEBOOK, {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
    write_json(folder / submission.METADATA, submission.metadata("somebody", "Unlearning: tested", "NvidiaTeslaT4"))
    return folder


def go(folder, submit=True, resume=False):
    """What is said on the way."""
    said = []
    with Flow(folder, 0.01, write_json, said.append, lambda text: None) as flow:
        state = flow.resume() if resume else flow.begin("epochs=2", submit)
        flow.advance(state)
    return said


def test_from_a_folder_to_a_score(server, folder):
    server.statuses = ["QUEUED", "RUNNING", "COMPLETE"]
    said = go(folder)
    state = json.loads((folder / "state.json").read_text())
    assert (state["version"], state["public"], state["private"]) == (1, 0.0512, 0.0497)
    assert state["settings"] == "epochs=2"
    assert said[0] == f"pushed: version 1 of https://www.kaggle.com/code/{KERNEL}"
    assert said[1] == "log: 32 of 512 models"
    (pushed,), (submitted,) = server.received["SaveKernel"], server.received["CreateCodeSubmission"]
    assert pushed["enableInternet"] is False
    assert pushed["enableGpu"] is True
    assert pushed["isPrivate"] is True
    assert pushed["machineShape"] == "NvidiaTeslaT4"
    assert pushed["competitionDataSources"] == ["neurips-2023-machine-unlearning"]
    assert submitted["kernelVersion"] == 1
    assert submitted["fileName"] == "submission.zip"
    assert (folder / "output" / "submission.zip").exists()
    assert "sent before, as version 1" in go(folder)[0]
    go(folder, resume=True)
    assert (len(server.received["SaveKernel"]), len(server.received["CreateCodeSubmission"])) == (1, 1)


@pytest.mark.slow
def test_a_changed_notebook_is_a_new_version(server, folder):
    go(folder, submit=False)
    write_json(folder / submission.METADATA, submission.metadata("somebody", "Unlearning: tested", "NvidiaL4"))
    go(folder, submit=False)
    assert json.loads((folder / "state.json").read_text())["version"] == 2


@pytest.mark.parametrize(
    "trouble",
    [
        LOST,
        *(
            pytest.param(trouble, marks=pytest.mark.slow)
            for trouble in (DROP, HTML, (429, "Too many requests"), (503, "Service Unavailable"))
        ),
    ],
)
def test_a_push_without_an_answer_is_not_made_twice(server, folder, trouble):
    server.trouble["SaveKernel"] = [trouble]
    with pytest.raises(UnreachableError, match=r"go on.* with --resume\.$"):
        go(folder, submit=False)
    go(folder, submit=False, resume=True)
    assert server.versions == 1
    assert json.loads((folder / "state.json").read_text())["version"] == 1


@pytest.mark.slow
def test_a_submission_without_an_answer_is_not_made_twice(server, folder):
    server.trouble["CreateCodeSubmission"] = [LOST]
    with pytest.raises(UnreachableError):
        go(folder)
    go(folder, resume=True)
    assert len(server.submissions) == 1


@pytest.mark.slow
def test_a_network_that_is_gone_for_a_moment_is_waited_for(server, folder):
    server.trouble["GetKernelSessionStatus"] = [DROP, DROP]
    go(folder, submit=False)
    assert len(server.received["GetKernelSessionStatus"]) >= 4


@pytest.mark.slow
def test_a_network_that_stays_away(server, folder):
    server.trouble["GetKernelSessionStatus"] = [DROP] * 20
    with pytest.raises(UnreachableError, match="cannot be reached"):
        go(folder, submit=False)
    server.trouble.clear()
    go(folder, submit=False, resume=True)
    assert len(server.received["SaveKernel"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("endpoint", "trouble", "kind", "sentence"),
    [
        (
            "SaveKernel",
            {"error": "Maximum batch GPU session count of 2 reached."},
            RunError,
            "GPU sessions on Kaggle are in use",
        ),
        ("SaveKernel", {"error": "The title is taken."}, RunError, "Kaggle refuses: The title is taken."),
        ("SaveKernel", (403, "Permission 'kernels.update' was denied"), RunError, "did you accept the competition's rules"),
        ("SaveKernel", (401, "Unauthenticated"), InputError, "make a token on https://www.kaggle.com/settings"),
        ("CreateCodeSubmission", (400, "You have used all your submissions for today"), RunError, "quota on Kaggle is used up"),
    ],
)
def test_a_refusal_is_one_sentence(server, folder, endpoint, trouble, kind, sentence):
    server.trouble[endpoint] = [trouble]
    with pytest.raises(kind, match=sentence) as raised:
        go(folder)
    assert "\n" not in str(raised.value)
    go(folder, resume=True)
    assert (server.versions, len(server.submissions)) == (1, 1)


@pytest.mark.slow
def test_a_version_that_appears_after_a_refusal_is_anothers(server, folder):
    server.trouble["SaveKernel"] = [{"error": "No."}]
    with pytest.raises(RunError):
        go(folder, submit=False)
    server.versions = 7
    go(folder, submit=False, resume=True)
    assert json.loads((folder / "state.json").read_text())["version"] == 8


@pytest.mark.slow
def test_a_notebook_that_fails_there(server, folder):
    server.statuses, server.failure = ["RUNNING", "ERROR"], "Your notebook tried to allocate more memory than is available."
    said = []
    with (
        Flow(folder, 0.01, write_json, said.append, lambda text: None) as flow,
        pytest.raises(RunError, match="failed on Kaggle: Your notebook tried to allocate more memory"),
    ):
        flow.advance(flow.begin("", True))
    assert said[-1] == "log: 32 of 512 models"
    with pytest.raises(RunError, match="Mend it, and --push it again"):
        go(folder, resume=True)
    server.statuses, server.failure = ["COMPLETE"], ""
    go(folder)
    assert (server.versions, len(server.submissions)) == (2, 1)


@pytest.mark.slow
def test_a_run_without_a_submission_is_not_submitted(server, folder):
    server.files = {}
    with pytest.raises(RunError, match=r"wrote no submission\.zip; its log is in"):
        go(folder)
    assert not server.received["CreateCodeSubmission"]


def test_no_credentials(server, folder, monkeypatch):
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    with pytest.raises(InputError, match="Kaggle does not know you"):
        go(folder)
    assert not server.received["SaveKernel"]


def test_two_at_once(server, folder):
    with Flow(folder, 1, write_json, print, print), pytest.raises(InputError, match="Another process is sending"):
        go(folder)


def test_the_user_that_the_credentials_tell(server):
    assert client.user() == "somebody"
