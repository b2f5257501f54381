import csv
import json
import zipfile
from types import SimpleNamespace

import nbformat
import pytest

from conftest import PROJECT, run_script
from evaluation import submit
from evaluation.scoring import submission_check, tuned
from evaluation.scoring.reporter import SILENT
from kaggle_server import KaggleServer
from starting_kit import contract, tasks
from starting_kit.errors import InputError, RunError
from starting_kit.kaggle import check as checking
from starting_kit.kaggle import competition_folder, image, pretended_gpu, submission
from starting_kit.kaggle.checkpoints import loaded

STEP = """
import torch

def unlearning(net, retain_loader, forget_loader, val_loader, *, scale: float = 0.01):
    net.fc.weight.data += scale * torch.randn_like(net.fc.weight) * len(retain_loader.dataset)
"""
HOURS = 8.0


def test_a_solution_with_its_own_trainer_is_not_submitted(tmp_path, capsys):
    assert submit.main(["--solution", "sisa", "--dry-run", "--out", str(tmp_path)]) == 2
    assert "there is nothing to submit" in capsys.readouterr().err


def make(write_solution, text=STEP, settings=(), **options):
    solution = contract.describe(write_solution(text, name="mine", whole=True), list(settings))
    options = {"title": "A title", "seed": 0, "half": False, "hours": HOURS, **options}
    return submission.notebook(solution, "tuple", False, **options)


@pytest.fixture(scope="module")
def data_of_kaggle(tmp_path_factory):
    """A folder that stands for /kaggle, with the competition's data made from digits."""
    folder = tmp_path_factory.mktemp("kaggle")
    competition = folder / "input" / submission.COMPETITION
    competition_folder.write(tasks.find("digits").load(), competition)
    competition_folder.write_original(competition, epochs=1, seed=0)
    return folder


@pytest.fixture
def kaggle(data_of_kaggle, tmp_path):
    """The same for one test: checkpoints of another's notebook do not lie in it."""
    own = tmp_path / "of_kaggle"
    own.mkdir()
    (own / "input").symlink_to(data_of_kaggle / "input")
    return own


def run_submit(*arguments):
    return run_script("submit.py", *arguments)


def test_what_is_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pretended_gpu, "MOST_OPERATIONS", 300)  # the trial has tests of its own
    arguments = ["--solution", "scl_improved", "--set", "cycles=3", "--user", "me", "--out", str(tmp_path), "--dry-run"]
    assert submit.main([*arguments, "--hyperparameters", "published"]) == 0
    folder = tmp_path / "scl_improved"
    notebook = nbformat.read(folder / "submission.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    text = "\n".join(cell.source for cell in notebook.cells)
    assert (PROJECT / "solutions" / "scl_improved.py").read_text().strip() in text
    assert (PROJECT / "solutions" / "parts" / "training.py").read_text().strip() in text
    assert "SETTINGS = {'cycles': 3}" in text
    assert json.loads((folder / "kernel-metadata.json").read_text()) == {
        "id": "me/unlearning-scl-improved",
        "title": "Unlearning: scl improved",
        "code_file": "submission.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_tpu": False,
        "enable_internet": False,
        "machine_shape": "NvidiaTeslaT4",
        "dataset_sources": [],
        "competition_sources": ["neurips-2023-machine-unlearning"],
        "kernel_sources": [],
        "model_sources": [],
        "keywords": [],
    }
    printed = capsys.readouterr().out
    assert "values: set: cycles=3; published, or the file's own: " in printed
    assert "as the next version of me/unlearning-scl-improved" in printed
    assert "Nothing was sent." in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--title", "abc"], "must have 5 to 50 characters"),
        (["--title", "x" * 51], "must have 5 to 50 characters"),
        (["--dry-run"], "give --user or $KAGGLE_USERNAME"),
        (["--resume"], "Nothing was sent from"),
        (["--set", "cycles=many"], "cycles"),
        (["--hours", "nan"], "--hours nan must be a number of hours above 0"),
        (["--check", "--models", "0"], "--models 0 is too few"),
        (["--solution", "mine.ipynb"], "it is pushed as it is"),
    ],
)
def test_what_is_refused(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.delenv("KAGGLE_USERNAME", raising=False)
    user = [] if "--dry-run" in arguments else ["--user", "me"]
    assert submit.main(["--solution", "scl_improved", "--out", str(tmp_path), *user, *arguments]) == 2
    log = capsys.readouterr().err
    assert sentence in log.replace("\n", " ")
    assert "Traceback" not in log


def describe(*arguments):
    """The solution that the command packages."""
    return submit.describe(submit.parser().parse_args([str(argument) for argument in arguments]))


def test_the_values_are_those_that_are_scored(tmp_path):
    """What score.py takes for the same options, and where from."""
    solution = tmp_path / "mine.py"
    solution.write_text(
        "def unlearning(net, retain, forget, val, *, epochs: int = 2, rate: float = 0.1, decay: float = 0.0): ..."
    )
    entry = tuned.Entry(task_version=tasks.find("digits").version, values={"epochs": 5, "rate": 0.3})
    tuned.write(solution, tasks.find("digits"), entry)
    described = describe("--solution", solution, "--set", "rate=0.7")
    assert described.overrides == {"epochs": 5, "rate": 0.7}
    assert submit.values(described, "digits") == (
        "set: rate=0.7; tuned for digits: epochs=5; published, or the file's own: decay=0.0"
    )
    assert describe("--solution", solution, "--hyperparameters", "published").overrides == {}
    with pytest.raises(InputError, match="mine is not tuned for version"):
        describe("--solution", solution, "--task", "cifar10", "--hyperparameters", "tuned")


def test_the_solution_is_a_module_of_its_own(write_solution):
    """Names in it and around it do not meet, and what it does when it is run as a script is left out, as in scoring."""
    notebook = make(write_solution, STEP + "\ndef save(): ...\n")
    (cell,) = (cell.source for cell in notebook.cells if "def save(): ..." in cell.source)
    assert cell.startswith("%%writefile submitted_solution.py\n")


def test_what_kaggles_image_lacks(tmp_path):
    """Neither in the standard library nor in the image nor packaged, as what the kit's own modules import is not."""
    (tmp_path / "helper.py").write_text("import torch, opacus, os.path\nfrom PIL import Image")
    (tmp_path / "mine.py").write_text("import helper, sklearn.svm\nfrom starting_kit import errors, files")
    solution = SimpleNamespace(sources=contract.sources(tmp_path / "mine.py"))
    assert image.missing(solution) == ["opacus"]
    del solution.sources["starting_kit/errors.py"]
    assert image.missing(solution) == ["opacus", "starting_kit.errors"]


def test_a_notebook_that_is_too_large(write_solution):
    with pytest.raises(InputError, match="more than Kaggle takes"):
        make(write_solution, STEP + f"TABLE = '{'x' * 900_000}'\n")


def test_the_mock_run(tmp_path, write_solution):
    mounted = tmp_path / "kaggle" / "input" / "competitions" / submission.COMPETITION  # the other place where data appear
    mounted.mkdir(parents=True)
    (mounted / "empty.txt").touch()
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(zipfile.BadZipFile):  # Kaggle's own sample touches an empty file
        checking.execute(make(write_solution), tmp_path / "kaggle", work, 512)
    assert (work / "submission.zip").read_bytes() == b""


@pytest.mark.slow
def test_runs_differ_and_are_those_of_the_scorer(tmp_path, write_solution, kaggle):
    solution = contract.describe(write_solution(STEP, name="mine", whole=True), [])
    notebook = submission.notebook(solution, "tuple", False, "A title", seed=5, half=False, hours=HOURS)
    found = checking.execute(notebook, kaggle, tmp_path, 3)
    assert sorted(found) == [f"unlearned_checkpoint_{i}.pth" for i in range(3)]
    weights = [found[name]["fc.weight"] for name in sorted(found)]
    assert not weights[0].equal(weights[1])
    halved = submission.notebook(solution, "tuple", False, "A title", seed=5, half=True, hours=HOURS)
    half = checking.execute(halved, kaggle, tmp_path, 3)
    assert all(half[name]["fc.weight"].equal(found[name]["fc.weight"].half()) for name in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "hours", "sentence"),
    [
        ("def unlearning(net, a, b, c):\n    net.fc.weight.data[:] = float('nan')", HOURS, "weights are NaN or infinite"),
        ("def unlearning(net, a, b, c):\n    1 / 0", HOURS, "ZeroDivisionError"),
        (STEP, 1e-9, r"2 would take .* and the limit is 1e-09: stopped, nothing is submitted"),
    ],
)
def test_a_notebook_that_fails_submits_nothing(tmp_path, write_solution, kaggle, text, hours, sentence):
    with pytest.raises(RunError, match=sentence):
        checking.execute(make(write_solution, text, hours=hours), kaggle, tmp_path, 2)
    assert not (tmp_path / "submission.zip").exists()


@pytest.mark.slow
def test_check_as_a_user(tmp_path, kaggle):
    competition = kaggle / "input" / submission.COMPETITION
    run = run_submit("--solution", "noisy_finetune", "--check", "--models", 2, "--data", competition, "--out", tmp_path)
    assert run.returncode == 0, run.stderr
    assert "2 models have the weights that are scored, bit for bit" in run.stdout


@pytest.mark.slow
def test_check_finds_a_difference(tmp_path, write_solution, kaggle):
    """A solution that does something else in a notebook."""
    text = STEP.replace("scale *", "scale * (2 if 'UNLEARNING_MODELS' in os.environ else 1) *").replace(
        "import torch", "import os\nimport torch"
    )
    path = write_solution(text, name="cheat", whole=True)
    competition = kaggle / "input" / submission.COMPETITION
    run = run_submit("--solution", path, "--check", "--models", 2, "--data", competition, "--out", tmp_path)
    assert run.returncode == 1
    assert "Model 0 of the notebook has other weights than the one that is scored." in run.stderr


CHANGES = {
    "net.relu = torch.nn.Identity()": "has the weights of the one that is scored, and computes something else",
    "net.fc.register_forward_hook(lambda layer, given, output: output * 2)": "computes something else",
    "net.bn1.eps = 1.0": "computes something else",
    "net.fc = torch.nn.Sequential(net.fc)": r"unlearned_checkpoint_0.pth: the network has other layers .*: fc.bias is missing",
    "net.fc = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(net.fc), dtype=torch.qint8)[0]": "is quantised",
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_check_refuses_what_a_checkpoint_does_not_hold(tmp_path, write_solution, kaggle, change):
    path = write_solution(f"import torch\n\ndef unlearning(net, a, b, c):\n    {change}\n", whole=True)
    solution = contract.describe(path, [])
    notebook = submission.notebook(solution, "tuple", False, "A title", seed=0, half=False, hours=HOURS)
    with pytest.raises(RunError, match=CHANGES[change]):
        submission_check.check(notebook, solution, "tuple", 0, 1, kaggle / "input" / submission.COMPETITION, SILENT)


@pytest.mark.slow
@pytest.mark.parametrize(
    "returned", ["torch.nn.DataParallel(net)", "torch.compile(net)", "torch.optim.swa_utils.AveragedModel(net)", "net.half()"]
)
def test_a_wrapped_network_is_submitted_without_its_wrapper(tmp_path, write_solution, kaggle, returned):
    text = f"import torch, torch.optim.swa_utils\n\ndef unlearning(net, a, b, c):\n    return {returned}\n"
    solution = contract.describe(write_solution(text, whole=True), [])
    notebook = submission.notebook(solution, "tuple", False, "A title", seed=0, half=False, hours=HOURS)
    found = checking.execute(notebook, kaggle, tmp_path, 1)
    loaded(found["unlearned_checkpoint_0.pth"], 10)
    wrapped = "half" not in returned
    assert [note.startswith("saved is the network inside") for note in checking.notes(notebook)] == [True] * wrapped


@pytest.mark.slow
def test_loaders_that_move_batches_give_the_same(tmp_path, write_solution, kaggle):
    text = STEP.replace("* len(retain_loader.dataset)", "* next(iter(retain_loader))[0].mean()")
    solution = contract.describe(write_solution(text, whole=True), [])
    weights = []
    for move in (False, True):
        work = tmp_path / str(move)
        work.mkdir()
        notebook = submission.notebook(solution, "tuple", move, "A title", seed=0, half=False, hours=HOURS)
        weights.append(checking.execute(notebook, kaggle, work, 1)["unlearned_checkpoint_0.pth"]["fc.weight"])
    assert weights[0].equal(weights[1])


@pytest.mark.slow
def test_submit_as_a_user(tmp_path, monkeypatch):
    common = ("--out", tmp_path / "submissions", "--results", tmp_path, "--poll", 0.01, "--solution", "finetune")
    with KaggleServer().running() as server:
        for name, value in server.environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        pushed = run_submit(*common, "--push")
        assert pushed.returncode == 0, pushed.stderr
        assert "--submit submits version 1" in pushed.stdout
        submitted = run_submit(*common, "--submit")
        assert submitted.returncode == 0, submitted.stderr
        assert "private score: 0.0497" in submitted.stdout
        assert run_submit(*common, "--resume").returncode == 0
        assert (server.versions, len(server.submissions)) == (1, 1)
    with (tmp_path / "reported.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["solution"], row["board"], row["score"]) for row in rows] == [
        ("finetune", "public", "0.0512"),
        ("finetune", "private", "0.0497"),
    ]


def test_reported_beside_measured(sixteen, tmp_path):
    run = run_script("leaderboard.py", "--reported", "--results", sixteen.results)
    assert run.returncode == 0, run.stderr
    line = next(line for line in run.stdout.splitlines() if line.strip().startswith("finetune "))
    assert f"{sixteen.card['score']:.4f}" in line
    assert "0.04" in line
    assert "too few to say" in run.stdout
