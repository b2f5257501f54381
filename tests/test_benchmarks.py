"""The benchmark scripts run and print their tables; what they measure is no matter of right or wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import PROJECT

pytestmark = pytest.mark.slow


@pytest.fixture
def data():
    """The folder of data sets that are not embedded."""
    folder = Path(os.environ.get("UNLEARNING_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("data sets that are not embedded are needed; $UNLEARNING_DATA says where they lie")
    return folder


def tables(script, *arguments):
    command = [sys.executable, str(PROJECT / "benchmarks" / script), *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stderr
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in run.stdout.splitlines() if line.startswith("|")]


def test_populations_of_digits():
    rows = {row[0]: row for row in tables("populations.py", "--models", 16, "--members", 4)}
    assert {"single", "mapped", "grouped"} <= set(rows)
    assert float(rows["grouped"][2]) > 0
    assert {"finetune", "scl_improved", "neggrad_plus", "l1_sparse", "label_poison"} <= set(rows)
    assert {"mkldnn_convolution", "convolution_backward", "16"} <= set(rows)


def test_a_resnet_on_cifar10(data):
    rows = tables("populations.py", "--task", "cifar10_jpeg", "--data", data, "--members", 2)
    assert [row[:2] for row in rows if row[0] == "grouped"] == [["grouped", "2"]]


def test_data_that_are_missing_are_asked_for():
    command = [sys.executable, str(PROJECT / "benchmarks" / "populations.py"), "--task", "mnist"]
    environment = {name: value for name, value in os.environ.items() if name != "UNLEARNING_DATA"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 1
    assert "--task mnist needs --data DIR" in run.stderr
