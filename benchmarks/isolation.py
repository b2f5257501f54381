"""What isolation costs: scoring here, and as it was before workers that run a solution were confined, by turns.

    python benchmarks/isolation.py [--models 512] [--times 3]

The baseline is a commit of this repository, checked out beside it. In both, what does not depend on the solution is made first;
then each scores the same solution again and again, from nothing of its own: in lockstep, and one run at a time.
The processor's time is that of all processes together, in user and system mode.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BEFORE = "e4a97fa"
ENGINES = ("lockstep", "single")


def score(code: Path, place: Path, models: int, engine: str) -> tuple[float, float]:
    """Seconds on the clock and of the processor for scoring with the code of a folder."""
    command = [sys.executable, str(code / "evaluation" / "score.py"), "--solution", "finetune", "--models", str(models)]
    command += ["--engine", engine, "--runs", str(place / "runs"), "--results", str(place / "results")]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(code)}, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode:
        sys.exit(run.stderr)
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def forget_unlearned(place: Path) -> None:
    """Remove what was made of the solution, and its scorecard."""
    for folder in (place / "runs").glob("*/unlearned-*"):
        shutil.rmtree(folder)
    shutil.rmtree(place / "results")


def main() -> None:
    """Print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=512)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        baseline = Path(temporary, "baseline")
        git = ["git", "-C", str(PROJECT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(baseline), BEFORE], check=True)
        try:
            codes = {f"before ({BEFORE})": baseline, "now": PROJECT}
            print("| engine | code | seconds | of the processor | each |\n|---|---|---|---|---|")
            for engine in ENGINES:
                found: dict[str, list[tuple[float, float]]] = {name: [] for name in codes}
                for turn in range(options.times + 1):
                    for name, code in codes.items():
                        place = Path(temporary, name.split()[0])
                        timing = score(code, place, options.models, engine)
                        forget_unlearned(place)
                        if turn:  # the first makes what does not depend on the solution
                            found[name].append(timing)
                for name, timings in found.items():
                    wall, processor = (statistics.median(column) for column in zip(*timings, strict=True))
                    each = ", ".join(f"{seconds:.1f}" for seconds, _ in timings)
                    print(f"| {engine} | {name} | {wall:.1f} | {processor:.1f} | {each} |", flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", str(baseline)], check=True)


if __name__ == "__main__":
    main()
