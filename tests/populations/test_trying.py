"""What a worker finds out of its machine."""

import os
import subprocess
import sys

from conftest import PROJECT


def test_the_instruction_set_is_what_the_libraries_may_use():
    program = "from evaluation.populations import jobs; print(jobs.instruction_set())"
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    run = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, env=environment, capture_output=True, text=True)
    names = ("DEFAULT", "NO AVX")  # PyTorch calls it the second until 2.6
    assert run.stdout in [f"{name}, oneDNN SSE41\n" for name in names], run.stderr
