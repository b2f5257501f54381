import json

import pytest

from kaggle_server import DROP, HTML, LATE, LOST, MUTE, KaggleServer, QuickClient, write_folder
from starting_kit.errors import InputError, RunError
from starting_kit.files import write_json
from starting_kit.kaggle import client, flow, submission
from starting_kit.kaggle.client import UnreachableError
from starting_kit.kaggle.flow import Flow

KERNEL = "somebody/unlearning-tested"


@pytest.fixture
def real(monkeypatch, tmp_path):
    """A stand-in for Kaggle that the real client is pointed at; it takes seconds for every question."""
    with KaggleServer().running() as server:
        for name, value in server.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        for name in ("KAGGLE_API_TOKEN", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(flow, "LATE", 0.0)
        yield server


@pytest.fixture(params=["quick", pytest.param("real", marks=pytest.mark.slow)])
def server(request, real, monkeypatch):
    """The same, asked without a network as well."""
    if request.param == "quick":
        monkeypatch.setattr(client, "_run", QuickClient(real))
    return real


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "tested")


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
    (submitted,) = server.received["CreateCodeSubmission"]
    assert submitted["kernelVersion"] == 1
    assert submitted["fileName"] == "submission.zip"
    assert submitted["submissionDescription"] == f"{KERNEL} version 1 ({state['fingerprint'][:8]})"
    assert (folder / "output" / "submission.zip").exists()
    assert (folder / "output" / "fingerprint.txt").read_text() == state["fingerprint"]
    assert submission.UNSIGNED in json.loads((folder / submission.NOTEBOOK).read_text())["cells"][0]["source"]
    assert "sent before, as version 1" in go(folder)[0]
    go(folder, resume=True)
    assert (len(server.received["SaveKernel"]), len(server.received["CreateCodeSubmission"])) == (1, 1)


@pytest.mark.slow
def test_what_is_pushed(real, folder):
    go(folder, submit=False)
    (pushed,) = real.received["SaveKernel"]
    assert pushed["enableInternet"] is False
    assert pushed["enableGpu"] is True
    assert pushed["isPrivate"] is True
    assert pushed["machineShape"] == "NvidiaTeslaT4"
    assert pushed["competitionDataSources"] == ["neurips-2023-machine-unlearning"]


def test_a_changed_notebook_is_a_new_version(server, folder):
    go(folder, submit=False)
    write_json(folder / submission.METADATA, submission.metadata("somebody", "Unlearning: tested", "NvidiaL4"))
    go(folder, submit=False)
    assert json.loads((folder / "state.json").read_text())["version"] == 2


@pytest.mark.parametrize("trouble", [LOST, DROP])
def test_a_push_without_an_answer_is_not_made_twice(server, folder, trouble):
    server.trouble["SaveKernel"] = [trouble]
    with pytest.raises(UnreachableError, match=r"go on.* with --resume\.$"):
        go(folder, submit=False)
    go(folder, submit=False, resume=True)
    assert server.versions == 1
    assert json.loads((folder / "state.json").read_text())["version"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [HTML, (429, "Too many requests"), (503, "Service Unavailable")])
def test_what_is_no_answer_either(real, folder, trouble):
    real.trouble["SaveKernel"] = [trouble]
    with pytest.raises(UnreachableError, match=r"go on.* with --resume\.$"):
        go(folder, submit=False)
    go(folder, submit=False, resume=True)
    assert real.versions == 1


def test_a_push_that_shows_late_is_not_made_twice(server, folder, monkeypatch):
    monkeypatch.setattr(flow, "LATE", 60.0)
    server.trouble["SaveKernel"] = [LATE]
    with pytest.raises(UnreachableError):
        go(folder)
    go(folder, resume=True)
    assert (server.versions, len(server.submissions)) == (1, 1)


def test_a_version_of_the_browsers_beside_a_push_without_an_answer_is_not_submitted(server, folder):
    server.trouble["SaveKernel"] = [LOST]
    with pytest.raises(UnreachableError):
        go(folder)
    server.sources.append("saved in the browser")
    with pytest.raises(
        RunError, match=r"got versions 1 to 2, and which of them was pushed is not certain; nothing is submitted"
    ):
        go(folder, resume=True)
    assert not server.submissions
    go(folder)
    assert server.received["CreateCodeSubmission"][0]["kernelVersion"] == 3


def test_a_version_of_the_browsers_instead_of_a_push_is_not_submitted(server, folder):
    server.trouble["SaveKernel"] = [DROP]
    with pytest.raises(UnreachableError):
        go(folder)
    server.sources.append("saved in the browser")
    with pytest.raises(RunError, match=r"not that of what was pushed as version 1: its fingerprint is missing\. Nothing is"):
        go(folder, resume=True)
    assert not server.submissions


def test_a_version_that_is_saved_in_the_browser_while_the_pushed_one_runs(server, folder):
    server.statuses = ["RUNNING"]
    server.trouble["GetKernelSessionStatus"] = [None, DROP, DROP, DROP]
    with pytest.raises(UnreachableError):
        go(folder)
    server.sources.append(server.sources[0].replace("FINGER", "# changed; FINGER"))  # with the same fingerprint
    server.statuses = ["COMPLETE"]
    with pytest.raises(RunError, match="has got version 2 since version 1 was pushed"):
        go(folder, resume=True)
    assert not server.submissions


def test_a_status_of_the_version_before_does_not_count(server, folder, monkeypatch):
    monkeypatch.setattr(flow, "LATE", 60.0)
    go(folder)
    write_json(folder / submission.METADATA, submission.metadata("somebody", "Unlearning: tested", "NvidiaL4"))
    server.lag, server.statuses = 3, ["RUNNING", "COMPLETE"]
    go(folder)
    state = json.loads((folder / "state.json").read_text())
    assert (folder / "output" / "fingerprint.txt").read_text() == state["fingerprint"]
    assert [body["kernelVersion"] for body in server.received["CreateCodeSubmission"]] == [1, 2]
    assert server.statuses == ["COMPLETE"]


def test_what_an_older_version_wrote_is_not_submitted(server, folder):
    go(folder)
    write_json(folder / submission.METADATA, submission.metadata("somebody", "Unlearning: tested", "NvidiaL4"))
    server.files = {}
    with pytest.raises(RunError, match=r"Version 2 .* wrote no submission\.zip"):
        go(folder)
    assert len(server.submissions) == 1


def test_a_submission_without_an_answer_is_not_made_twice(server, folder):
    server.trouble["CreateCodeSubmission"] = [LOST]
    with pytest.raises(UnreachableError):
        go(folder)
    go(folder, resume=True)
    assert len(server.submissions) == 1


def test_a_network_that_is_gone_for_a_moment_is_waited_for(server, folder):
    server.trouble["GetKernelSessionStatus"] = [DROP, DROP]
    go(folder, submit=False)
    assert len(server.received["GetKernelSessionStatus"]) >= 4


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
def test_a_refusal_is_one_sentence(real, folder, endpoint, trouble, kind, sentence):
    server = real
    server.trouble[endpoint] = [trouble]
    with pytest.raises(kind, match=sentence) as raised:
        go(folder)
    assert "\n" not in str(raised.value)
    go(folder, resume=True)
    assert (server.versions, len(server.submissions)) == (1, 1)


@pytest.mark.slow
def test_a_version_that_appears_after_a_refusal_is_anothers(real, folder):
    server = real
    server.trouble["SaveKernel"] = [{"error": "No."}]
    with pytest.raises(RunError):
        go(folder, submit=False)
    server.sources = ["another's"] * 7
    go(folder, submit=False, resume=True)
    assert json.loads((folder / "state.json").read_text())["version"] == 8


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


def test_a_run_without_a_submission_is_not_submitted(server, folder):
    server.files = {}
    with pytest.raises(RunError, match=r"wrote no submission\.zip; its log is in"):
        go(folder)
    assert not server.received["CreateCodeSubmission"]


def test_no_credentials(real, folder, monkeypatch):
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    with pytest.raises(InputError, match="Kaggle does not know you"):
        go(folder)
    assert not real.received["SaveKernel"]


def test_two_at_once(folder):
    with Flow(folder, 1, write_json, print, print), pytest.raises(InputError, match="Another process is sending"):
        go(folder)


def test_the_user_that_the_credentials_tell(real):
    assert client.user() == "somebody"


@pytest.mark.slow
def test_a_mute_server_is_not_waited_for_forever(real, folder, monkeypatch):
    real.trouble["SaveKernel"] = [MUTE]
    with monkeypatch.context() as patch:
        patch.setattr(client, "REQUEST_SECONDS", 20.0)
        with pytest.raises(UnreachableError, match="did not answer within 20 seconds; go on with --resume"):
            go(folder)
    go(folder, resume=True)
    assert (real.versions, len(real.submissions)) == (1, 1)


def test_waiting_has_an_end(server, folder, monkeypatch):
    monkeypatch.setattr(flow, "LONGEST", 0.0)
    server.statuses = ["RUNNING"]
    with pytest.raises(RunError, match=r"is not done with .* --resume goes on waiting"):
        go(folder)


@pytest.mark.parametrize("score", ["None", "", "nan", "queued"])
def test_a_score_that_is_no_number(server, folder, score):
    server.scores = {"publicScore": score, "privateScore": score}
    with pytest.raises(RunError, match="which are no numbers; see the competition's submissions page"):
        go(folder)
    server.submissions[0]["publicScore"] = server.scores["publicScore"] = "0.05"
    go(folder, resume=True)
    assert json.loads((folder / "state.json").read_text())["public"] == 0.05
