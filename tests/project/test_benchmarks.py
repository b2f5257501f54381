"""The benchmark scripts run and print their tables; the ε that one of them compares with ours is the same."""

import json
import runpy
import subprocess
import sys

import numpy as np
import pytest

from conftest import PROJECT
from evaluation.metric.epsilon import CAP, epsilons
from evaluation.scoring import external

pytestmark = pytest.mark.slow


def tables(script, *arguments):
    command = [sys.executable, str(PROJECT / "benchmarks" / script), *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert run.returncode == 0, run.stderr
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in run.stdout.splitlines() if line.startswith("|")]


def test_populations_of_digits():
    rows = {row[0]: row for row in tables("populations.py", "--models", 16, "--members", 4)}
    assert {"single", "mapped", "grouped"} <= set(rows)
    assert float(rows["grouped"][2]) > 0
    assert {"finetune", "scl_improved", "plain_neggrad_plus", "plain_l1_sparse", "plain_label_poison"} <= set(rows)
    assert {"mkldnn_convolution", "convolution_backward", "16"} <= set(rows)


def test_a_resnet_on_cifar10(data):
    rows = tables("populations.py", "--task", "cifar10_jpeg", "--data", data, "--network", "resnet18:16", "--members", 2)
    assert [row[:2] for row in rows if row[0] == "grouped"] == [["grouped", "2"]]


def test_data_that_are_missing_are_asked_for(tmp_path):
    command = [sys.executable, str(PROJECT / "benchmarks" / "populations.py"), "--task", "cifar10_jpeg"]
    run = subprocess.run([*command, "--data", str(tmp_path)], capture_output=True, text=True)
    assert run.returncode == 1
    assert "cifar10_jpeg_pack.npz is missing; give the folder" in run.stderr


def test_the_metric_is_timed():
    rows = tables("metric.py", "--examples", 20, "--models", 64)
    milliseconds = [float(row[1].removesuffix(" ms").replace(",", "")) for row in rows[2:]]
    assert len(milliseconds) == 3
    assert min(milliseconds) > 0


@pytest.fixture(scope="module")
def dense_epsilon():
    """The dense evaluation of one example that `benchmarks/metric.py` times."""
    with pytest.MonkeyPatch.context() as monkeypatch:  # the script limits the threads of the process that it runs in
        for library in ("OMP", "OPENBLAS"):
            monkeypatch.setenv(f"{library}_NUM_THREADS", "1")
        return runpy.run_path(str(PROJECT / "benchmarks" / "metric.py"))["dense_epsilon"]


NORMAL, OTHER = np.random.default_rng(0).normal(size=(2, 60))
WIDE = np.linspace(-1, 1, 60) ** 3
EXAMPLES = {
    "one distribution": (NORMAL, OTHER),
    "shifted": (NORMAL + 1, OTHER),
    "shifted to the other side": (NORMAL - 1, OTHER),
    "narrower": (0.3 * NORMAL, OTHER),
    "wider": (3 * NORMAL, OTHER),
    "of unequal size": (NORMAL[:20] + 0.5, OTHER),
    "with ties": ((NORMAL + 0.5).round(1), OTHER.round(1)),
    "single precision": ((NORMAL + 0.5).astype(np.float32), OTHER.astype(np.float32)),
    "one-sided: half of the models beyond all of the others": (np.concatenate([NORMAL[:30], NORMAL[30:] + 9]), OTHER),
    "separated": (NORMAL + 9, OTHER),
    "separated by a small gap": (NORMAL - NORMAL.min() + 0.1, OTHER - OTHER.max()),
    "nearly peaky": (WIDE / 99, WIDE),
    "peaky": (WIDE / 101, WIDE),
    "closer together than the grids' step": (WIDE / 500, WIDE / 500),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_epsilon_equals_the_dense_evaluation(name, dense_epsilon):
    unlearned, retrained = EXAMPLES[name]
    # The dense error rates are in single precision, as the published scorer's.
    assert epsilons(unlearned[:, None], retrained[:, None])[0] == pytest.approx(dense_epsilon(unlearned, retrained), abs=1e-5)


def test_the_examples_are_not_all_alike():
    found = {name: epsilons(unlearned[:, None], retrained[:, None])[0] for name, (unlearned, retrained) in EXAMPLES.items()}
    capped = {name for name, epsilon in found.items() if epsilon == CAP}
    assert capped == {"separated", "separated by a small gap", "peaky", "closer together than the grids' step"}
    assert len({round(epsilon, 3) for epsilon in found.values()}) > len(EXAMPLES) / 2


def test_coverage_is_measured_and_goes_on_where_it_was_stopped(tmp_path):
    cells = ("null_64", "shift_128", "tails_shift_128", "failed_2_128")
    arguments = ("coverage.py", "--replicates", 50, "--runs", tmp_path, "--cells", *cells)
    rows = tables(*arguments)[2:]
    assert [row[0] for row in rows] == list(cells)
    covered = [float(row[3].split("%")[0]) for row in rows]
    assert min(covered) >= 80
    assert 88 <= sum(covered) / 4 <= 99
    batches = sorted((tmp_path / "coverage").iterdir())
    assert len(batches) == 4
    batches[0].unlink()
    kept = batches[1].stat().st_mtime_ns
    assert tables(*arguments)[2:] == rows
    assert batches[1].stat().st_mtime_ns == kept


def test_coverage_of_real_models_is_measured_where_they_are_given(tmp_path):
    random = np.random.default_rng(0)
    unlearned, retrained = random.normal(size=(2, 256, 40, 3))
    accuracy = {split: np.full(256, 0.9) for split in external.SPLITS}
    external.write_folder(tmp_path / "real", "mine", np.arange(40) % 3, unlearned, retrained, accuracy, accuracy)
    rows = tables("coverage.py", "--replicates", 2, "--runs", tmp_path, "--populations", tmp_path / "real", "--cells")[2:]
    assert [row[0] for row in rows] == ["mine_64", "mine_128"]
    assert all(0.1 < float(row[1]) < 0.3 for row in rows)  # F of equal populations


def test_coverage_over_original_models_is_measured(tmp_path):
    cells = ("two_thirds_1_128", "two_thirds_16_128")
    one, many = tables("coverage_originals.py", "--replicates", 50, "--runs", tmp_path, "--cells", *cells)[2:]
    assert (one[0], many[0]) == cells
    assert one[1] == one[6] == one[8] == ""  # nothing is averaged or pooled over one original model
    assert all(float(cell.split("%")[0]) >= 80 for cell in (one[4], many[4], many[8]))
    assert float(many[6]) > 1.5 * float(many[2])  # together these runs are as retrained models are, those of each original not
    assert float(many[1].rstrip("%")) > 10
    assert len(list((tmp_path / "coverage").iterdir())) == 2


def test_forget_with_precision_has_a_row_for_each_approach(tmp_path):
    places = ("--runs", tmp_path / "runs", "--results", tmp_path / "results")
    head, _, *rows = tables("forget_with_precision.py", "--models", 4, "--epochs", 1, "--no-intervals", *places)
    assert [row[0] for row in rows][:2] == ["retrained", "prune_complex"]
    assert len(rows) == 9
    assert all(0 <= float(cell) <= 100 for row in rows for cell in row[4:7])
    assert {len(row) for row in rows} == {len(head)}


def test_sisa_is_cheaper_with_more_shards(tmp_path):
    head, _, *rows = tables("sisa.py", "--models", 2, "--epochs", 1, "--plot", tmp_path / "sisa.svg")
    assert [row[:2] for row in rows[1:]] == [[shards, slices] for shards in ("1", "5", "10", "20") for slices in ("1", "5")]
    one_image = {tuple(row[:2]): float(row[3].rstrip("%")) for row in rows[1:]}
    # Less than in proportion: with one epoch, what does not depend on the number of images weighs much.
    assert one_image["20", "1"] < one_image["5", "1"] < one_image["1", "1"] / 2
    assert (tmp_path / "sisa.svg").read_text().rstrip().endswith("</svg>")
    assert {len(row) for row in rows} == {len(head)}


def test_losses_are_lower_on_what_was_trained_on(tmp_path):
    places = ("--runs", tmp_path / "runs", "--results", tmp_path / "results")
    head, _, *rows = tables("losses.py", "--solution", "finetune", "--models", 8, *places)
    cells = {row[0]: {name: float(cell.split(" ± ")[0]) for name, cell in zip(head[1:], row[1:], strict=True)} for row in rows}
    assert cells.keys() == {"retrained", "finetune", "original"}
    assert cells["retrained"]["retain loss after"] < cells["retrained"]["forget loss"] / 2
    assert cells["original"]["forget loss"] < cells["retrained"]["forget loss"] / 2
    assert cells["retrained"]["retain loss before"] > 2 > cells["finetune"]["retain loss before"]
    assert cells["original"]["attack accuracy"] > cells["retrained"]["attack accuracy"]


def test_the_curve_of_the_entropy_gate(tmp_path):
    few = [f"{name}={value}" for name, value in {"pseudo_batches": 4, "batch_size": 32, "student_steps": 1}.items()]
    arguments = ["--forget", "class:3", "--epochs", 2, "--seeds", 2, "--thresholds", 0.5, 2.5, "--plot", tmp_path / "curve.svg"]
    rows = tables("entropy_threshold.py", *arguments, *[part for setting in few for part in ("--set", setting)])
    assert [row[0] for row in rows[2:]] == ["original", "0.5", "2.5"]
    assert all(0 <= float(row[column]) <= 100 for row in rows[2:] for column in (1, 3))
    assert float(rows[2][3]) > float(rows[4][3])
    assert "<svg" in (tmp_path / "curve.svg").read_text()


def test_zero_shot_shows_that_a_class_is_forgotten_and_others_are_not(tmp_path):
    places = ("--runs", tmp_path / "runs", "--results", tmp_path / "results")
    options = ("--forget", "class:3", "--models", 4, "--solution", "emmn")
    head, _, *rows = tables("zero_shot.py", *options, *places)
    percent = {row[0]: [float(cell.split("%")[0]) for cell in row[1:3]] for row in rows}
    assert list(percent) == ["original", "retrained", "emmn"]
    assert percent["original"][1] > 90
    assert percent["retrained"][1] == 0
    assert percent["emmn"][0] > 50 > percent["emmn"][1]
    assert {len(row) for row in rows} == {len(head)}


def test_equal_entries_are_found_equal(tmp_path):
    head, _, *rows = tables("ties.py", "--tables", 1, "--runs", tmp_path)
    assert [row[0] for row in rows] == ["equal", "equal_correlated", "5_better"]
    assert {len(row) for row in rows} == {len(head)}
    assert float(rows[0][1].split("%")[0]) < 20
    assert rows[2][-1].startswith("100.0%")


def test_comparisons_that_stop_when_they_are_clear_are_seldom_wrong(tmp_path):
    head, _, *rows = tables("sequential.py", "--replicates", 50, "--runs", tmp_path, "--cells", "null", "much_better")
    assert [row[0] for row in rows] == ["null", "much_better"]
    assert {len(row) for row in rows} == {len(head)}
    null, better = ({name: row[head.index(name)] for name in head} for row in rows)
    wrong = [float(null[f"{which} better"].split("%")[0]) for which in ("first", "second")]
    assert sum(wrong) <= 10
    assert float(better["second better"].split("%")[0]) == 0
    assert float(better["first better"].split("%")[0]) > 50
    assert float(better["models"]) < float(null["models"])


def test_mutations_are_tried_in_a_copy_and_what_was_caught_is_kept(tmp_path):
    arguments = ("mutations.py", "--solution", "original", "--runs", tmp_path)
    rows = tables(*arguments)[2:]
    assert rows == [["original", "3", "3", ""], ["all", "3", "3", "100.0% caught"]]
    kept = json.loads((tmp_path / "mutations.json").read_text())
    assert all("test_original_changes_nothing" in test for test in kept.values())
    (tmp_path / "mutations.json").write_text(json.dumps(dict.fromkeys(kept, "a test")))
    assert tables(*arguments)[2:] == rows
    assert set(json.loads((tmp_path / "mutations.json").read_text()).values()) == {"a test"}
