"""What goes wrong on the command line or in a solution ends in a sentence, and reaches nothing else."""

import shutil
import time

import pytest

from conftest import run_script, start_script
from starting_kit.files import read_arrays


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def sentence(run):
    """The last line on stderr, which must be the error, in one sentence and without a traceback."""
    assert "Traceback" not in run.stderr, run.stderr
    line = run.stderr.strip().splitlines()[-1]
    assert line.startswith("error: "), run.stderr
    return line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--solution", "scl_improve"), "There is no solution 'scl_improve'; the zoo has"),
        (("--solution", "absent.py"), "There is no file"),
        (("--solution", "finetune", "--task", "digitss"), "Did you mean digits?"),
        (("--solution", "finetune", "--models", 2), "--models 2 is too few; the metric needs at least 3"),
        (("--solution", "finetune", "--workers", 0), "--workers 0 is too few"),
        (("--solution", "finetune", "--seed", -1), "--seed -1 must not be negative"),
        (("--solution", "finetune", "--originals", 0), "--originals 0 must lie between 1 and the number of models, 16"),
        (("--solution", "finetune", "--originals", 17), "--originals 17 must lie between 1 and"),
        (("--solution", "finetune", "--export", "/proc/logits"), "choose a folder with --export"),
        (("--solution", "finetune", "--set", "epoch=3"), "Did you mean epochs?"),
        slow(("--solution", "finetune", "--set", "epochs=x"), "must be of type int"),
        (("--solution", "finetune", "--results", "/proc/results"), "choose a folder with --results"),
        (("--solution", "finetune", "--runs", "/proc/runs"), "choose a folder with --runs"),
        (("--solution", "finetune", "--json", "/proc/a/card.json"), "choose a folder with --json"),
        (("--solution", "finetune", "--json", "/tmp"), "--json /tmp is a folder"),
    ],
)
def test_wrong_options_end_in_a_sentence(score, arguments, message):
    run = score(*arguments)
    assert message in sentence(run)
    assert run.returncode == 2


def test_wrong_usage_is_explained(score):
    run = score()
    assert run.returncode == 2
    assert "--solution" in run.stderr
    run = run_script("score.py", "--help")
    assert run.returncode == 0
    assert "scl_improved" in run.stdout
    assert "examples:" in run.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "defines no function unlearning"),
        slow("def unlearning(net, retain): pass\n", "must take (net, retain_loader, forget_loader, val_loader)"),
        slow("def unlearning(:\n", "is not valid Python"),
    ],
)
def test_files_that_are_no_solutions_end_in_a_sentence(score, write_solution, text, message):
    run = score("--solution", write_solution(text, whole=True))
    assert message in sentence(run)
    assert run.returncode == 2


RAISES_ON_SOME = (
    "with torch.no_grad():\n    net[-1].bias += torch.randn(10)\nif torch.rand(()) < 0.25:\n    raise ValueError('boom')"
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('boom')", "ValueError: boom (mine.py, line 4: raise ValueError('boom'))"),
        slow("return 'a network'", "returned str, it must return a network or nothing"),
        slow("net[-1].bias.data.fill_(float('nan'))", "left weights that are NaN or infinite in '13.bias'"),
        slow("return torch.nn.Flatten()", "gives (360, 64) logits instead of (360, 10)"),
        slow("return torch.nn.Linear(3, 3)", "cannot be evaluated, RuntimeError"),
        ("import os; os._exit(7)", "mine failed: it ended its process, with exit code 7"),
    ],
)
def test_solutions_that_fail_end_in_a_sentence_and_no_scorecard(score, write_solution, tmp_path, body, message):
    run = score("--solution", write_solution(body))
    assert message in sentence(run)
    assert run.returncode == 1
    assert not list((tmp_path / "results").glob("*/*.json"))


@pytest.mark.slow
def test_models_finished_before_a_failure_are_kept(score, write_solution, sixteen):
    before = set((sixteen.runs / "digits-v2").iterdir())
    run = score("--solution", write_solution(RAISES_ON_SOME, name="sometimes"))
    assert run.returncode == 1
    failing = sentence(run)
    assert "sometimes failed on model" in failing
    assert "ValueError: boom (sometimes.py, line 7: raise ValueError('boom'))" in failing
    model = int(failing.split("failed on model ")[1].split(":")[0])
    (folder,) = set((sixteen.runs / "digits-v2").iterdir()) - before
    assert read_arrays(folder / "shard-00000.npz")["models"].tolist() == list(range(model))
    again = score("--solution", write_solution(RAISES_ON_SOME, name="sometimes"))
    assert f"sometimes failed on model {model}" in sentence(again)


@pytest.mark.slow
def test_a_failure_in_lockstep_names_the_models_and_the_way_out(score, write_solution):
    body = "if len(next(iter(retain_loader))[0]) > 64:\n    raise ValueError('too many')"
    run = score("--solution", write_solution(body), "--engine", "lockstep")
    assert run.returncode == 1
    failing = sentence(run)
    assert "mine failed on models 0 to 15, which ran in lockstep: ValueError: too many (mine.py, line 5" in failing
    assert "--engine single runs one at a time" in failing


@pytest.mark.slow
def test_debug_shows_the_traceback(score, write_solution):
    run = score("--solution", write_solution("def helper():\n    raise ValueError('boom')\nhelper()"), "--debug")
    assert "Traceback" in run.stderr
    assert "in helper" in run.stderr
    assert run.returncode == 1


@pytest.mark.slow
def test_a_solution_edited_while_it_is_scored_is_not_mixed(sixteen, write_solution, tmp_path):
    path = write_solution("import time\ntime.sleep(1)\nwith torch.no_grad(): net[-1].bias += torch.randn(10)", name="edits")
    path.write_text(path.read_text() + "LOCKSTEP = False\n")
    runs = shutil.copytree(sixteen.runs, tmp_path / "runs", ignore=shutil.ignore_patterns("unlearned-*"))
    process = start_script("score.py", "--solution", path, "--models", 16, "--runs", runs, "--results", tmp_path)
    while not list(runs.glob("digits-v2/unlearned-*/shard-*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    path.write_text(path.read_text() + "# more\n")
    _, log = process.communicate(timeout=120)
    assert "was changed in the meantime" in log.replace("\n", " ")
    assert process.returncode == 1


VANDAL = """
import torch
torch.nn.functional.cross_entropy = None
def unlearning(net, retain, forget, validation):
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_num_threads(2)
    torch.optim.SGD.step = None
    net[-1].bias += torch.randn(10)
"""


@pytest.mark.slow
def test_what_a_solution_does_to_its_process_reaches_no_other_population(sixteen, write_solution, tmp_path):
    path = write_solution(VANDAL, name="vandal", whole=True)
    runs = tmp_path / "runs"
    run = run_script("score.py", "--solution", path, "--models", 16, "--runs", runs, "--results", tmp_path)
    assert run.returncode == 0, run.stderr
    for folder in sixteen.populations:
        if not folder.name.startswith("unlearned"):
            mine = runs / "digits-v2" / folder.name / "shard-00000.npz"
            assert mine.read_bytes() == (folder / "shard-00000.npz").read_bytes()
