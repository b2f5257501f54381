"""The command, and the library's function."""

import json
import os
import subprocess
import sys

import pytest

import broken
from conftest import PROJECT, run_script
from evaluation.checking import CONTRACT, PROPERTIES, check
from evaluation.checking.checker import judge
from evaluation.checking.processes import Broken
from evaluation.checking.verdict import Finding, Property, Report, Verdict
from evaluation.scoring import ScoringConfig
from starting_kit.errors import InputError


@pytest.fixture
def run(tmp_path):
    """Run check.py on a file with a text, and give what it said and the verdicts that it wrote."""

    def command(text, *arguments):
        (tmp_path / "mine.py").write_text(text)
        common = ("--solution", tmp_path / "mine.py", "--runs", tmp_path / "runs", "--json", tmp_path / "verdicts.json")
        ran = run_script("check.py", *common, *arguments)
        written = tmp_path / "verdicts.json"
        return ran, json.loads(written.read_text()) if written.exists() else None

    return command


def test_a_failure_is_a_sentence_a_hint_and_the_exit_code_1(run):
    ran, report = run("def unlearning(net, retain_loader): pass\n")
    first = ran.stdout.splitlines()
    assert ran.returncode == 1
    assert first[0].startswith("FAIL signature") and "it must take (net" in first[0]
    assert first[1].strip().startswith("-> The file must load by itself")
    assert ran.stderr == "error: mine fails: signature.\n"
    assert [verdict["outcome"] for verdict in report["verdicts"]] == ["failure"] + ["unchecked"] * (len(PROPERTIES) - 1)
    assert {verdict["said"] for verdict in report["verdicts"][2:]} == {"needs a call that completes"}
    assert (report["solution"], report["task"]) == ("mine", "digits")


def test_the_command_itself_needs_no_torch():
    """It takes seconds, and only the processes that run solutions use it."""
    program = "import sys; from evaluation import check; sys.exit({'torch', 'numba', 'scipy'} & set(sys.modules) != set())"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--solution", "finetun"], "Did you mean finetune?"),
        (["--time-limit", "0"], "--time-limit 0.0 must be greater than 0"),
        (["--time-limit", "nan"], "--time-limit nan must be greater than 0"),
        (["--workers", "0"], "--workers 0 is too few"),
        (["--task", "digit"], "Did you mean digits?"),
        (["--define", "test=False"], "--define test=False is for notebooks"),
        (["--json", "."], "--json . is a folder"),
        (["--hyperparameters", "tuned"], "is not tuned for"),
    ],
)
def test_wrong_input_has_the_exit_code_2(run, arguments, said):
    ran, report = run("", *arguments)
    assert (ran.returncode, report) == (2, None)
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_setting_that_does_not_fit_is_a_failure_of_the_signature(run):
    ran, _ = run(broken.HONEST["noise"], "--set", "epochs=3")
    assert ran.returncode == 1
    assert "There is no hyper-parameter 'epochs'" in ran.stdout


def test_a_job_that_breaks_is_the_failure_of_one_property_and_leaves_the_others_unchecked():
    def never(*seen):
        raise AssertionError("nothing was seen")

    answers, depends = Property("a", never, ("call",), "call"), Property("b", never, ("call",))
    hung = {"call": Broken("it was stopped", hung=True)}
    assert judge(answers, hung).outcome == "failure"
    assert "--time-limit" in judge(answers, hung).hint
    assert judge(depends, hung) == Verdict("b", "unchecked", "it was stopped; --time-limit gives it more")
    assert judge(answers, {"call": Broken("it died")}) == Verdict(
        "a", "failure", "it died", "Mend the line that is named, and check again"
    )
    assert judge(answers, {}).outcome == "unchecked"
    several = Property("c", never, ("again",), "again")
    assert judge(several, {"again": hung["call"]}).outcome == "unchecked"
    assert judge(several, {"again": Broken("it died")}).outcome == "failure"


def test_each_property_has_a_name_and_every_job_with_failures_of_its_own_answers_for_them():
    assert len({each.name for each in PROPERTIES}) == len(PROPERTIES)
    assert all(each.answers_for in ("", each.needs[-1], *each.needs) for each in PROPERTIES)
    answered = [each.answers_for for each in PROPERTIES if each.answers_for]
    assert sorted(answered) == ["again", "batches", "call", "other seed", "runs", "text"]


def test_a_report_passes_unless_something_fails():
    passes = Report("a", "digits", (Verdict("x", "weakness", ""), Verdict("y", "unchecked", "")), 1.0)
    assert passes.passes
    assert passes.named("weakness") == ["x"]
    assert not Report("a", "digits", (*passes.verdicts, Verdict("z", "failure", "")), 1.0).passes
    assert Finding("pass", "well").hint == ""


def test_the_library_looks_only_at_what_is_wanted(tmp_path):
    """Of a text it takes no training to say that it sets a seed; and a fault of a file is no exception."""
    (tmp_path / "mine.py").write_text("import torch\n")
    config = ScoringConfig(solution=str(tmp_path / "mine.py"), runs=tmp_path / "runs", workers=1)
    report = check(config, properties=CONTRACT[:2])
    assert [verdict.property for verdict in report.verdicts] == ["signature", "no seed inside"]
    assert not (tmp_path / "runs" / "digits-v2").exists()
    with pytest.raises(InputError):
        check(ScoringConfig(solution="nowhere.py"))


@pytest.mark.slow
def test_an_honest_solution_passes_and_leaves_nothing_behind(run, tmp_path):
    before = {**os.environ}, os.listdir(tmp_path)  # noqa: PTH208
    ran, report = run(broken.HONEST["returns"])
    assert ran.returncode == 0, ran.stdout
    assert [verdict["property"] for verdict in report["verdicts"]] == [each.name for each in PROPERTIES]
    assert {verdict["outcome"] for verdict in report["verdicts"]} <= {"pass", "weakness"}
    weak = [verdict["property"] for verdict in report["verdicts"] if verdict["outcome"] == "weakness"]
    assert set(weak) <= {"spread", "lockstep"}
    assert before[0] == {**os.environ}
    assert sorted(os.listdir(tmp_path)) == ["mine.py", "runs", "verdicts.json"]  # noqa: PTH208


@pytest.mark.slow
def test_a_cost_above_the_limit_is_named(run):
    """It works the processor for a second, which is more than a fifth of any retraining on digits here."""
    spins = f"import time\nend = time.process_time() + 1\nwhile time.process_time() < end: pass\n{broken.STEPS}"
    ran, report = run(broken.whole(spins), "--time-limit", "300")
    (cost,) = (verdict for verdict in report["verdicts"] if verdict["property"] == "cost")
    assert (ran.returncode, cost["outcome"]) == (0, "weakness")
