"""The wheel in an empty folder, the extras, and the versions that are admitted and pinned."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conftest import PROJECT
from evaluation.cli import COMMANDS, main
from evaluation.scoring import assembly
from starting_kit.errors import InputError
from starting_kit.kaggle import client

PACKAGES = ("evaluation", "solutions", "starting_kit")
FOR_TESTS = {"dev", "jax-privacy"}  # extras that no user needs


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Made from a copy, because setuptools leaves a folder `build` whose old files would get into the next wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in PACKAGES:
        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        folder,
        source,
    ]
    subprocess.run(command, check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unlearning(wheel, tmp_path_factory):
    """Runs the wheel's command in a folder that is empty at first; its Python sees all packages of ours but the checkout."""
    environment, work = tmp_path_factory.mktemp("environment"), tmp_path_factory.mktemp("work")
    venv.create(environment)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", python, "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "packages.pth").write_text(sysconfig.get_path("purelib"))  # in which .pth files are not followed

    def run(*arguments):
        finished = subprocess.run(
            [environment / "bin" / "unlearning", *map(str, arguments)], cwd=work, capture_output=True, text=True, timeout=600
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    run.folder = work  # type: ignore[attr-defined]
    return run


def test_the_wheel_holds_all_modules_and_data_and_nothing_else(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {str(path.relative_to(PROJECT)) for name in PACKAGES for path in (PROJECT / name).rglob("*.py")}
    wanted -= {"starting_kit/notebook_sources/starting_kit.py"}  # the text of a notebook that is read in the checkout
    data = {f"solutions/tuned/{path.name}" for path in (PROJECT / "solutions" / "tuned").glob("*.json")}
    assert "starting_kit/kaggle/notebook_sources/submission.py" in wanted
    assert "starting_kit/solution_template.py" in wanted
    assert "solutions/tuned/digits.json" in data
    templates = {str(path.relative_to(PROJECT)) for path in (PROJECT / "evaluation/reports/templates").iterdir()}
    assert "evaluation/reports/templates/leaderboard.html" in templates
    wanted |= {"evaluation/reports/competition_scores.csv", *data, *templates}
    assert {name for name in inside if ".dist-info/" not in name} == wanted


def test_the_command_in_an_empty_folder(unlearning):
    assert "digits" in unlearning("score", "--list-tasks")
    printed = unlearning("score", "--help")
    assert "usage: unlearning score" in printed
    assert "unlearning score --solution scl_improved" in printed
    assert "score.py" not in printed.partition("examples:")[2]
    assert sorted(unlearning.folder.iterdir()) == []


@pytest.mark.slow
def test_a_score_a_table_and_a_notebook_in_an_empty_folder(unlearning):
    printed = unlearning("score", "--solution", "finetune", "--models", 8)
    assert "scorecard: results/digits/finetune--n8.json" in printed
    card = json.loads((unlearning.folder / "results" / "digits" / "finetune--n8.json").read_text())
    assert card["hyperparameters"]["source"] == "tuned"
    assert card["environment"]["git_commit"] is None
    assert "not a git checkout" in card["environment"]["git_commit_reason"]
    assert "finetune" in unlearning("leaderboard")
    assert "finetune" in unlearning("leaderboard", "--reported")
    unlearning("leaderboard", "--html", "page.html")
    assert "finetune--n8" in (unlearning.folder / "page.html").read_text()
    assert "written: submissions/finetune" in unlearning("submit", "--solution", "finetune")
    nbformat.validate(nbformat.read(unlearning.folder / "submissions" / "finetune" / "submission.ipynb", as_version=4))


def test_the_list_of_commands_imports_nothing_heavy():
    program = "import sys; from evaluation.cli import main; main(['--help']); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    *printed, modules = run.stdout.splitlines()
    assert not {"numpy", "rich", "scipy", "torch"} & set(modules.split())
    for name, summary in COMMANDS.items():
        assert any(line.split() == [name, *summary.split()] for line in printed)


def test_the_help_of_scoring_imports_nothing_that_computes():
    program = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from evaluation.score import main; main(['--help'])"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "--solution" in run.stdout
    assert not {"numba", "scipy", "torch"} & set(run.stdout.splitlines()[-1].split())


def test_no_command_and_a_mistyped_one(capsys):
    assert main([]) == 0
    assert "usage: unlearning COMMAND" in capsys.readouterr().out
    assert main(["leaderbord", "--help"]) == 2
    assert "There is no command 'leaderbord'" in (said := capsys.readouterr().err.replace("\n", " "))
    assert "Did you mean leaderboard?" in said


@pytest.mark.parametrize(
    ("extra", "package", "script", "arguments"),
    [
        ("tune", "optuna", "evaluation/tune.py", ["--solution", "finetune"]),
        ("timm", "timm", "evaluation/score.py", ["--solution", "finetune", "--network", "timm:resnet18"]),
        pytest.param("kaggle", "jupytext", "submit.py", ["--solution", "mine.py"], marks=pytest.mark.slow),
        ("kaggle", "slugify", "submit.py", ["--solution", "mine.py"]),
        pytest.param("notebooks", "nbclient", "submit.py", ["--solution", "mine.py", "--check"], marks=pytest.mark.slow),
        ("plots", "matplotlib", "benchmarks/figures.py", []),
    ],
)
def test_a_missing_extra_is_one_sentence(tmp_path, extra, package, script, arguments):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / f"{package}.py").write_text(f"raise ModuleNotFoundError('No module named {package}', name='{package}')")
    (tmp_path / "mine.py").write_text(
        "BATCHES = 'tuple'\n\ndef unlearning(net, retain, forget, validation): pass\n"
    )  # needs no trial
    run = subprocess.run(
        [sys.executable, PROJECT / script, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(hidden)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2, run.stderr
    sentence = f"{package} is not installed; it comes with pip install 'unlearning-challenge-kit[{extra}]'."
    assert run.stderr.splitlines()[-1] == f"error: {sentence}"
    assert "Traceback" not in run.stderr


def test_a_missing_kaggle_client_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    for ask in (client.user, lambda: client.latest_version("me/mine")):
        with pytest.raises(InputError, match=r"kaggle is not installed; .*unlearning-challenge-kit\[kaggle\]"):
            ask()


def test_what_is_tuned_where_nothing_can_be_kept_is_refused_at_once(tmp_path, capsys):
    """As in an installed zoo that belongs to somebody else."""
    shutil.copy(PROJECT / "solutions" / "finetune.py", tmp_path / "mine.py")
    (tmp_path / "tuned").touch()
    assert main(["tune", "--solution", str(tmp_path / "mine.py"), "--runs", str(tmp_path)]) == 2
    assert "tuned cannot be written to" in capsys.readouterr().err.replace("\n", " ")


def test_the_commit_is_that_of_the_checkout_and_of_no_repository_around_it(tmp_path, monkeypatch):
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
    for arguments in (["init"], ["commit", "--allow-empty", "--message", "first"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.setattr(assembly, "PROJECT", tmp_path)
    assert len(assembly.environment(1).git_commit.value) == 12
    site_packages = tmp_path / "site-packages"
    site_packages.mkdir()
    monkeypatch.setattr(assembly, "PROJECT", site_packages)
    assert assembly.environment(1).git_commit.value is None
    assert "not a git checkout" in assembly.environment(1).git_commit.reason


@pytest.fixture(scope="module")
def package():
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


def ranges(package, without=()):
    """What a package needs for itself and its extras, by name, but for the extras that are made of others."""
    extras = package["optional-dependencies"]
    texts = [*package["dependencies"], *(text for extra in extras if extra not in without for text in extras[extra])]
    requirements = [Requirement(text) for text in texts if not text.startswith(package["name"])]
    return {canonicalize_name(requirement.name): requirement.specifier for requirement in requirements}


def constraints(name):
    lines = [line for line in (PROJECT / name).read_text().splitlines() if not line.startswith("#")]
    found = [Requirement(line) for line in lines]
    assert not [requirement for requirement in found if requirement.url or requirement.extras]
    assert len(found) == len({requirement.name for requirement in found})
    return {canonicalize_name(requirement.name): next(iter(requirement.specifier)) for requirement in found}


def test_conda_installs_what_is_pinned(package):
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text())
    assert environment["name"] == package["name"]
    (for_pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert for_pip == ["--constraint constraints.txt", "--editable .[all]"]
    assert "python=" + package["requires-python"].removeprefix(">=") in environment["dependencies"]


def test_everything_is_pinned_within_its_range(package):
    pinned = constraints("constraints.txt")
    assert {pin.operator for pin in pinned.values()} == {"=="}
    for name, specifier in ranges(package, without=("jax-privacy",)).items():  # too large for those who only run the tests
        assert name == "setuptools" or pinned[name].version in specifier, name  # pip freeze leaves out what pip needs itself
    assert not [name for name in pinned if name.startswith(("nvidia", "cuda", "triton"))]


def test_the_oldest_versions_are_the_lowest_that_are_admitted(package):
    oldest = constraints("constraints-oldest.txt")
    for name, specifier in ranges(package, without=FOR_TESTS).items():
        (lowest,) = [part.version for part in specifier if part.operator in (">=", "==")]
        assert f"{oldest[name].version.removesuffix('.*')}.".startswith(f"{lowest}."), name
        assert oldest[name].operator == "==", name
    assert oldest.keys() == ranges(package, without=FOR_TESTS).keys()


def test_all_extras_are_in_all(package):
    extras = package["optional-dependencies"]
    (everything,) = extras["all"]
    assert Requirement(everything).extras == extras.keys() - {"all", *FOR_TESTS}
