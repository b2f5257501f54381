"""What holds for the project as a whole."""

import json
import os
import subprocess
import sys

import pytest

from conftest import PROJECT
from evaluation.reports import ranking, tables, zoo_page
from evaluation.scoring import codec, tuned
from evaluation.scoring.scorecard import METRIC_VERSION, Hyperparameters
from starting_kit import contract, tasks


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """README and results as git has them: running score.py in a checkout replaces scorecards, and that is no error."""
    folder = tmp_path_factory.mktemp("published")
    command = ["git", "checkout-index", "--all", f"--prefix={folder}/"]
    if subprocess.run(command, cwd=PROJECT, capture_output=True).returncode:
        pytest.skip("not a git checkout, so what is published is not known")
    return folder


def test_the_metric_and_the_leaderboard_need_no_torch():
    modules = "evaluation.scoring, evaluation.leaderboard, evaluation.populations.shards"
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
        if path.stem == "__init__" or zoo_page.describe(path).family == "zero-shot":
            continue  # the latter take minutes a model, and forget whole classes only
        if contract.describe(path, []).trains:
            continue  # no contestant: its models are compared with others of its own trainer (docs/sisa.md)
        entry = tuned.read(path, task)
        wanted = {path.stem: entry.values, f"{path.stem}--published": None} if entry else {path.stem: None}
        for name, values in wanted.items():
            card = codec.read(published / "results" / "digits" / f"{name}.json")
            assert (card.models, card.task_version, card.seed) == (512, task.version, 0)
            assert card.metric_version == METRIC_VERSION
            solution = contract.describe(contract.find(path.stem), [], values)
            assert card.hyperparameters == Hyperparameters(solution.source_of_values, solution.hyperparameters)
            assert card.network == task.network
            assert 0.1 < card.ceiling.value < 0.25


def test_the_tables_are_those_of_the_published_scorecards(published):
    ranked = ranking.rank(ranking.read_all(published / "results", None))
    readme = published / "README.md"
    assert tables.insert(tables.as_markdown(ranked, ends=6), readme) == readme.read_text()
    assert tables.as_markdown(ranked) == (published / "results" / "README.md").read_text()
    page = zoo_page.page(published / "solutions", published / "results", "digits")
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


@pytest.mark.slow
def test_the_readmes_lines_of_python_work(tmp_path):
    """As a script that stands alone: nothing in it guards against being imported by worker processes."""
    blocks = (PROJECT / "README.md").read_text().split("```python\n")
    code = next(block.split("```")[0] for block in blocks[1:] if "ScoringConfig" in block)
    (tmp_path / "script.py").write_text(code.replace("models=64", "models=8"))
    command = [sys.executable, "script.py"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert (run.returncode, run.stderr) == (0, "")
    assert float(run.stdout.split()[0]) >= 0
