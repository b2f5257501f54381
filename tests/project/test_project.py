"""What holds for the project as a whole."""

import ast
import json
import subprocess
import sys

import pytest

from conftest import PROJECT
from evaluation import catalogue, leaderboard
from evaluation.scoring import scorecard, tuned
from starting_kit import contract, tasks


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """README and results as git has them: running score.py in a checkout replaces scorecards, and that is no error."""
    folder = tmp_path_factory.mktemp("published")
    command = ["git", "checkout-index", "--all", f"--prefix={folder}/"]
    if subprocess.run(command, cwd=PROJECT, capture_output=True).returncode:
        pytest.skip("not a git checkout, so what is published is not known")
    return folder


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_the_arrows_point_one_way():
    forbidden = {"starting_kit": ("evaluation", "solutions"), "solutions": ("evaluation", "starting_kit")}
    own_trainer = {"solutions/sisa.py": ("evaluation",), "solutions/parts/sisa.py": ("evaluation",)}  # which is the kit's
    for package, others in forbidden.items():
        for path in (PROJECT / package).rglob("*.py"):
            if path.parent.name == "notebook_sources":  # what a user does
                continue
            not_these = own_trainer.get(str(path.relative_to(PROJECT)), others)
            assert not [name for name in imports(path) if name.split(".")[0] in not_these], path


def test_the_metric_and_the_leaderboard_need_no_torch():
    modules = "evaluation.scoring.scorecard, evaluation.leaderboard, evaluation.populations"
    program = f"import sys; import {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT).returncode == 0


@pytest.mark.slow
def test_the_scoring_process_needs_no_torch(sixteen, tmp_path):
    """It takes seconds and half a gigabyte, and only the workers use it."""
    arguments = ["--solution", "finetune", "--hyperparameters", "published", "--models", "16"]
    arguments += ["--runs", str(sixteen.runs), "--results", str(tmp_path)]
    program = f"import sys; from evaluation import score; sys.exit(score.main({arguments!r}) or 'torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_every_solution_has_complete_and_current_scorecards(published):
    """With the published values, and with those that were tuned where there are any."""
    task = tasks.find("digits")
    for path in sorted((published / "solutions").glob("*.py")):
        if path.stem == "__init__" or catalogue.describe(path).family == "zero-shot":
            continue  # the latter take minutes a model, and forget whole classes only
        if contract.describe(path, []).trains:
            continue  # no contestant: its models are compared with others of its own trainer (docs/sisa.md)
        entry = tuned.read(path, task)
        wanted = {path.stem: entry["values"], f"{path.stem}--published": None} if entry else {path.stem: None}
        for name, values in wanted.items():
            card = scorecard.read(published / "results" / "digits" / f"{name}.json")
            assert (card["models"], card["task_version"], card["seed"]) == (512, task.version, 0)
            assert card["metric_version"] == scorecard.METRIC_VERSION
            solution = contract.describe(contract.find(path.stem), [], values)
            assert card["hyperparameters"] == {"source": solution.source_of_values, "values": solution.hyperparameters}
            assert card["network"] == task.network
            assert 0.1 < card["ceiling"] < 0.25


def test_the_tables_are_those_of_the_published_scorecards(published):
    tables = leaderboard.rank(leaderboard.read_all(published / "results", None))
    readme = published / "README.md"
    assert leaderboard.insert(leaderboard.as_markdown(tables, ends=6), readme) == readme.read_text()
    assert leaderboard.as_markdown(tables) == (published / "results" / "README.md").read_text()
    page = catalogue.page(published / "solutions", published / "results", "digits")
    assert page == (published / "solutions" / "README.md").read_text()


@pytest.mark.slow
def test_the_readmes_own_solution_works(score, tmp_path):
    """The ten lines that README shows are scored as they stand."""
    blocks = (PROJECT / "README.md").read_text().split("```python\n")
    code = next(block.split("```")[0] for block in blocks[1:] if "def unlearning" in block)
    path = tmp_path / "my_solution.py"
    path.write_text(code)
    run = score("--solution", path, "--json", tmp_path / "card.json")
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "card.json").read_text())["score"] > 0
