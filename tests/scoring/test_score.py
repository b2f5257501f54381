"""The command itself, as a user types it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from conftest import PROJECT, run_script
from evaluation.attacks import ATTACKS
from evaluation.metric.confidence import confidences
from evaluation.metric.epsilon import epsilons
from evaluation.populations import shards
from evaluation.populations.population import Population
from evaluation.scoring import scorecard
from evaluation.scoring.experiment import Experiment
from starting_kit import tasks
from starting_kit.errors import RunError
from starting_kit.files import read_arrays

TASK = tasks.find("digits")


def comparable(card):
    return {name: value for name, value in card.items() if name not in scorecard.EXEMPT}


def sentence(run):
    """The last line on stderr, which must be the error, in one sentence and without a traceback."""
    assert "Traceback" not in run.stderr, run.stderr
    line = run.stderr.strip().splitlines()[-1]
    assert line.startswith("error: "), run.stderr
    return line


# --- the scorecard


def test_scorecard_has_what_the_design_promises(sixteen):
    card = sixteen.card
    assert (card["solution"], card["task"], card["task_version"]) == ("finetune", "digits", TASK.version)
    assert (card["models"], card["seed"], card["originals"], card["forget"]) == (16, 0, 1, "random:0.2")
    assert card["hyperparameters"]["source"] == "published"
    assert card["hyperparameters"]["values"]["learning_rate"] == 1e-3
    assert len(card["epsilons"]) == 90
    assert [entry["example"] for entry in card["epsilons"]] == TASK.load().forget.tolist()
    assert card["within_limit"] == (card["cost"] <= 0.2)
    assert 0.001 < card["cost"] < 0.2
    assert card["environment"]["workers"] == 2
    assert 0 < card["floor"] < card["ceiling"] < 1
    assert card["score"] < card["ceiling"]
    assert card["relative"] == pytest.approx(card["score"] / card["ceiling"])
    assert card["ceiling_models"] == 16
    for name in ("score", "forgetting", "retain_ratio", "test_ratio"):
        assert card[f"{name}_interval"] is None
        assert card[f"{name}_interval_reason"] == "16 models are too few for an interval, at least 24 are needed"
    assert set(card["attacks"]) == {attack.name for attack in ATTACKS}
    for opinion in card["attacks"].values():
        assert all(value is not None for kind in ("unlearned", "retrained") for value in opinion[kind].values())
        assert opinion["retrained_models"] == 16
    for split in ("retain", "test", "forget"):
        assert set(card[f"{split}_accuracy"]) == {"unlearned", "retrained"}
        assert all(0.9 < value <= 1 for value in card[f"{split}_accuracy"].values())


def test_score_follows_from_the_stored_outputs(sixteen):
    def shard(kind):
        (folder,) = [folder for folder in sixteen.populations if folder.name.startswith(f"{kind}-")]
        return read_arrays(folder / "shard-00000.npz")

    unlearned, retrained = shard("unlearned"), shard("retrained")
    values = [confidences(part["logits_forget"][:16], part["labels_forget"]) for part in (unlearned, retrained)]
    expected = epsilons(*values)
    np.testing.assert_allclose([entry["epsilon"] for entry in sixteen.card["epsilons"]], expected)
    bins = np.floor(expected / 0.5)
    quality = np.where(expected < 3, 0.5**bins, 0).mean()  # 16 models: ln 15 = 2.7, so the last bin ends at 3
    ratios = [
        unlearned[f"accuracy_{split}"][:16].mean() / retrained[f"accuracy_{split}"][:16].mean() for split in ("retain", "test")
    ]
    assert sixteen.card["score"] == pytest.approx(quality * ratios[0] * ratios[1])


def test_summary_says_what_one_wants_to_know(sixteen):
    for text in (
        "finetune on digits v2, 16 models",
        "score / ceiling",
        "ceiling, floor",
        "retain accuracy",
        "cost",
        "16 models are too few for an interval",
        "U-LiRA, AUC",
        "ε",
        "16 models at once",
    ):
        assert text in sixteen.output
    assert str(sixteen.path) in sixteen.output.replace("\n", "")
    assert "16 models say little" in sixteen.log
    assert "retrained          16 models (16 made in" in sixteen.log


def test_original_scores_zero(score, tmp_path):
    run = score("--solution", "original", "--json", tmp_path / "card.json")
    assert run.returncode == 0, run.stderr
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["score"] == card["forgetting_quality"] == 0
    assert {entry["epsilon"] for entry in card["epsilons"]} == {50.0}
    assert card["retain_ratio"] == pytest.approx(1, abs=0.02)
    assert card == json.loads((tmp_path / "results" / "digits" / "original--n16.json").read_text())


@pytest.mark.slow
def test_settings_name_the_scorecard(score, tmp_path):
    run = score("--solution", "finetune", "--hyperparameters", "published", "--set", "epochs=2", "--set", "learning_rate=0.02")
    assert run.returncode == 0, run.stderr
    card = json.loads(
        (tmp_path / "results" / "digits" / "finetune--published,epochs=2,learning_rate=0.02,n16.json").read_text()
    )
    assert card["hyperparameters"] == {
        "source": "set",
        "values": {"epochs": 2, "learning_rate": 0.02, "batch_size": None, "weight_decay": 5e-4},
    }


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_before_any_work(score):
    run = score("--solution", "finetune", "--device", "cuda")
    assert run.returncode == 2
    assert "PyTorch finds no GPU that it can use here" in run.stderr


@pytest.mark.slow
def test_lockstep_is_chosen_by_proof_and_changes_only_rounding(sixteen, score, tmp_path):
    assert sixteen.card["engine"] == {
        "unlearning": "lockstep",
        "models_at_once": 16,
        "reason": "three models at once get the weights that each gets alone",
    }
    run = score("--solution", "finetune", "--hyperparameters", "published", "--engine", "single")
    assert run.returncode == 0, run.stderr
    card = json.loads((tmp_path / "results" / "digits" / "finetune--published,n16,single.json").read_text())
    assert card["engine"] == {"unlearning": "single", "models_at_once": 1, "reason": "--engine single"}
    populations = [
        read_arrays(folder / "shard-00000.npz")["logits_forget"][:16]
        for folder in (sixteen.runs / "digits-v2").glob("unlearned-*")
        if (identity := json.loads((folder / "population.json").read_text()))["solution"] == "finetune"
        and identity["hyperparameters"] == card["hyperparameters"]["values"]
    ]
    (one, other), between = populations, np.abs(np.diff(populations[0], axis=0)).mean()
    assert 0 < np.abs(one - other).mean() < between / 100


@pytest.mark.slow
def test_unlearning_starts_from_several_original_models_in_turn(score, sixteen, tmp_path):
    run = score("--solution", "original", "--originals", 3, "--no-intervals")
    assert run.returncode == 0, run.stderr
    card = json.loads((tmp_path / "results" / "digits" / "original--n16,originals3.json").read_text())
    assert card["originals"] == 3
    assert card["score_interval_reason"] == "--no-intervals"
    assert "original on digits v2, 16 models from 3 original models" in run.stdout
    (originals,) = (sixteen.runs / "digits-v2").glob("original-*")
    (unlearned,) = [
        folder
        for folder in (sixteen.runs / "digits-v2").glob("unlearned-*")
        if json.loads((folder / "population.json").read_text()).get("originals") == 3
    ]
    logits = [read_arrays(folder / "shard-00000.npz")["logits_forget"] for folder in (originals, unlearned)]
    for model in range(16):
        np.testing.assert_allclose(logits[1][model], logits[0][model % 3], atol=1e-4)
    assert np.abs(logits[0][0] - logits[0][1]).max() > 0.1


def test_a_solution_that_cannot_run_in_lockstep_says_why(score, write_solution, tmp_path):
    body = """for images, labels in retain_loader:
    loss = torch.nn.functional.cross_entropy(net.train()(images), labels)
    net.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 0.1)
    torch.optim.SGD(net.parameters(), lr=0.1).step()"""
    run = score("--solution", write_solution(body, name="clips"), "--json", tmp_path / "card.json")
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "card.json").read_text())["engine"] == {
        "unlearning": "single",
        "models_at_once": 1,
        "reason": "three models at once do not get the weights that each gets alone",
    }


def test_a_failure_in_lockstep_names_the_models_and_the_way_out(score, write_solution):
    body = "if len(next(iter(retain_loader))[0]) > 64:\n    raise ValueError('too many')"
    run = score("--solution", write_solution(body), "--engine", "lockstep")
    assert run.returncode == 1
    failing = sentence(run)
    assert "mine failed on models 0 to 15, which ran in lockstep: ValueError: too many (mine.py, line 5" in failing
    assert "--engine single runs one at a time" in failing


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(sixteen, tmp_path):
    cards = []
    for workers in (1, 2):
        arguments = ("--solution", "scl_improved", "--models", 34, "--workers", workers, "--json", tmp_path / "card.json")
        run = run_script("score.py", *arguments, "--runs", tmp_path / f"runs{workers}", "--results", tmp_path / "results")
        assert run.returncode == 0, run.stderr
        cards.append(json.loads((tmp_path / "card.json").read_text()))
    assert json.dumps(comparable(cards[0])) == json.dumps(comparable(cards[1]))


@pytest.mark.slow
def test_a_file_that_reads_dicts_and_prints_is_scored_like_the_zoos(score, sixteen, tmp_path):
    body = (PROJECT / "solutions" / "finetune.py").read_text()
    loop = """\
        for batch in retain_loader:
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(batch["image"]), batch["age_group"]).backward()
            optimiser.step()
"""
    reads_dicts = body.replace("        train_epoch(net, loader, optimiser)\n", loop)
    assert reads_dicts != body
    (tmp_path / "kaggle_style.py").write_text(f"{reads_dicts}    print('epoch 1 done')\n")
    run = score("--solution", tmp_path / "kaggle_style.py", "--json", tmp_path / "mine.json")
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "mine.json").read_text())["epsilons"] == sixteen.card["epsilons"]
    assert "epoch 1 done" not in run.stdout + run.stderr
    logs = [log.read_text() for log in (sixteen.runs / "digits-v2").glob("unlearned-*/output.log")]
    assert any("--- models 0 to 15\nepoch 1 done\n" in log for log in logs)


# --- bad input


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
        (("--solution", "finetune", "--set", "epochs=x"), "must be of type int"),
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
        ("def unlearning(net, retain): pass\n", "must take (net, retain_loader, forget_loader, val_loader)"),
        ("def unlearning(:\n", "is not valid Python"),
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
        ("return 'a network'", "returned str, it must return a network or nothing"),
        ("net[-1].bias.data.fill_(float('nan'))", "left weights that are NaN or infinite in '13.bias'"),
        ("return torch.nn.Flatten()", "gives (360, 64) logits instead of (360, 10)"),
        ("return torch.nn.Linear(3, 3)", "cannot be evaluated, RuntimeError"),
        ("import os; os._exit(7)", "A worker process died"),
    ],
)
def test_solutions_that_fail_end_in_a_sentence_and_no_scorecard(score, write_solution, tmp_path, body, message):
    run = score("--solution", write_solution(body))
    assert message in sentence(run)
    assert run.returncode == 1
    assert not list((tmp_path / "results").glob("*/*.json"))


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


def test_debug_shows_the_traceback(score, write_solution):
    run = score("--solution", write_solution("raise ValueError('boom')"), "--debug")
    assert "Traceback" in run.stderr
    assert run.returncode == 1


@pytest.mark.slow
def test_a_solution_edited_while_it_is_scored_is_not_mixed(score, write_solution):
    path = write_solution("pass", name="edits")
    path.write_text(path.read_text() + f"    open({str(path)!r}, 'a').write('# more' + chr(10))\n")
    run = score("--solution", path)
    assert "was changed in the meantime" in sentence(run)
    assert run.returncode == 1


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


# --- damage and interruption


@pytest.mark.slow
def test_damaged_files_are_reported_and_made_again(sixteen, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(sixteen.runs, runs)
    (retrained,) = runs.glob("digits-v2/retrained-*/shard-00000.npz")
    (weights,) = runs.glob("digits-v2/original-*/weights-00000.npz")
    retrained.write_bytes(retrained.read_bytes()[:-100])
    weights.write_bytes(b"rubbish")
    arguments = (
        "--solution",
        "finetune",
        "--hyperparameters",
        "published",
        "--models",
        16,
        "--runs",
        runs,
        "--results",
        tmp_path,
    )
    run = run_script("score.py", *arguments)
    assert run.returncode == 0, run.stderr
    for path in (retrained, weights):
        assert f"{path} is damaged; its models are made again." in run.stderr.replace("\n", "")
    assert comparable(json.loads((tmp_path / "digits" / "finetune--published,n16.json").read_text())) == comparable(
        sixteen.card
    )


def start(*arguments):
    command = [sys.executable, str(PROJECT / "evaluation" / "score.py"), *map(str, arguments)]

    def hear_interrupts():  # a shell makes what it starts in the background deaf to Ctrl-C, and that is inherited
        signal.signal(signal.SIGINT, signal.default_int_handler)

    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True, preexec_fn=hear_interrupts)


def all_gone(process):
    """Whether the workers notice, within seconds, that the process is no more."""
    for _ in range(100):
        if not subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True).stdout:
            return True
        time.sleep(0.1)
    return False


def wait_for_new_population(runs, before):
    """The folder that appears when the solution is about to run."""
    for _ in range(600):
        if new := set((runs / "digits-v2").iterdir()) - before:
            return new.pop()
        time.sleep(0.1)
    raise TimeoutError("no population was begun within a minute")


SLOW_SOLUTION = """
import time, torch
def unlearning(net, retain, forget, validation):
    time.sleep(0.5)
    with torch.no_grad():
        net[-1].bias += torch.randn(10)
"""


@pytest.mark.parametrize("signal_number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_interruption_keeps_what_was_finished(sixteen, write_solution, tmp_path, signal_number):
    path = write_solution(SLOW_SOLUTION, name=f"slow{signal_number}", whole=True)
    before = set((sixteen.runs / "digits-v2").iterdir())
    arguments = ("--solution", path, "--models", 16, "--runs", sixteen.runs, "--results", tmp_path, "--workers", 1)
    process = start(*arguments)
    folder = wait_for_new_population(sixteen.runs, before)
    time.sleep(2.5)
    if signal_number == signal.SIGINT:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    else:
        process.send_signal(signal_number)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 130
    assert log.strip().splitlines()[-1] == "Stopped. What was finished is kept; run the same command to go on."
    assert "Traceback" not in log
    kept = read_arrays(folder / "shard-00000.npz")["models"].tolist()
    assert kept == list(range(len(kept)))
    assert 0 < len(kept) < 16
    assert all_gone(process)


def test_a_solution_that_hangs_is_stopped_by_a_second_interrupt(sixteen, write_solution, tmp_path):
    began = tmp_path / "began"
    path = write_solution(f"open({str(began)!r}, 'w').close()\nwhile True: pass")
    process = start("--solution", path, "--models", 16, "--runs", sixteen.runs, "--results", tmp_path)
    while not began.exists():
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(2)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "press Ctrl-C again to stop at once" in log
    assert log.strip().splitlines()[-1] == "Stopped. What was finished is kept; run the same command to go on."
    assert "Traceback" not in log
    assert all_gone(process)


@pytest.mark.slow
def test_killed_three_times_gives_the_same_scorecard(tmp_path):
    """`kill -9` of the scoring process at random moments, then a rerun, against an uninterrupted run."""

    def arguments(name):
        common = ("--solution", "scl_improved", "--models", 40, "--json", tmp_path / f"{name}.json")
        return (*common, "--runs", tmp_path / name, "--results", tmp_path / "results")

    random = np.random.default_rng()
    for _ in range(3):
        process = start(*arguments("killed"))
        time.sleep(random.uniform(4, 25))
        process.kill()
        process.communicate()
        assert all_gone(process)
    for name in ("killed", "whole"):
        run = run_script("score.py", *arguments(name))
        assert run.returncode == 0, run.stderr
    killed, whole = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("killed", "whole"))
    assert json.dumps(comparable(killed)) == json.dumps(comparable(whole))


@pytest.mark.slow
def test_two_processes_share_the_work(sixteen, write_solution, tmp_path):
    path = write_solution(SLOW_SOLUTION.replace("0.5", "0.2"), name="shared", whole=True)
    arguments = ("--solution", path, "--models", 16, "--runs", sixteen.runs, "--workers", 1)
    both = [start(*arguments, "--results", tmp_path / str(i), "--json", tmp_path / f"{i}.json") for i in range(2)]
    logs = [process.communicate(timeout=600)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], logs
    first, second = (json.loads((tmp_path / f"{i}.json").read_text()) for i in range(2))
    assert comparable(first) == comparable(second)


def test_a_shard_damaged_after_it_was_made_is_said(tmp_path):
    population = Population(TASK, "retrained", 0, tmp_path, TASK.engine)
    with pytest.raises(RunError, match=r"shard-00000.npz was damaged or removed; run the same command"):
        Experiment({"retrained": population}, 3, "", 0.1).outputs()
    assert shards.missing_models(population, 34, print) == {0: list(range(32)), 1: [32, 33]}
