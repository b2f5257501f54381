"""Whether scorings that are killed at random moments end, run again, in the same scorecard.

    python benchmarks/kills.py [--kills 100] [--seed 0]

A chain is one scoring from nothing, run again after each kill until it ends by itself. Killed (SIGKILL) is the scoring process,
one of the processes below it, or all of them. Afterwards nothing of it may run, and the scorecard must be that of a
scoring which nobody disturbed, but for what is measured anew in each (`scorecard.EXEMPT`). No temporary file may be left
either, unless all processes were killed at once.
"""

import argparse
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation.populations.keeper import children
from evaluation.scoring.scorecard import EXEMPT

PROJECT = Path(__file__).resolve().parents[1]
MODELS = 48  # of which one failed run is more than 2 %: a chain goes on where a kill cost one
VICTIMS = ("the scoring process", "a worker", "all")
GONE_WITHIN = 10.0  # seconds


def start(place: Path) -> "subprocess.Popen[str]":
    """Begin, or go on with, a scoring."""
    command = [sys.executable, str(PROJECT / "evaluation" / "score.py"), "--solution", "finetune", "--models", str(MODELS)]
    command += ["--epochs", "5", "--workers", "2", "--runs", str(place / "runs"), "--results", str(place / "results")]
    environment = {**os.environ, "TMPDIR": str(place)}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)


def below(process: int) -> list[int]:
    """All processes that a process has started, and those that these have."""
    found: list[int] = []
    for child in children(process):
        found += [child, *below(child)]
    return found


def kill(victims: list[int]) -> None:
    """Kill processes, of which some may have ended."""
    for victim in victims:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue


def seconds_until_gone(processes: list[int]) -> float:
    """How long processes go on, after what ends them."""
    begin = time.monotonic()
    while any(Path(f"/proc/{process}").exists() and not is_zombie(process) for process in processes):
        if time.monotonic() - begin > GONE_WITHIN:
            kill(processes)
            sys.exit(f"after {GONE_WITHIN:.0f} seconds processes were left: {processes}")
        time.sleep(0.02)
    return time.monotonic() - begin


def strike(process: "subprocess.Popen[str]", place: Path, chance: random.Random) -> tuple[str, float]:
    """Kill a scoring, or a part of it; gives which, and how long processes went on after its end."""
    workers = below(process.pid)
    victim = chance.choice(VICTIMS if workers else VICTIMS[:1])
    kill({"a worker": workers and [chance.choice(workers)], "all": workers}.get(victim, []))
    if victim != "a worker":
        kill([process.pid])
    process.communicate()
    seconds = seconds_until_gone(workers)
    if victim == "all":  # nobody was there to do it
        for left in place.glob("worker-*"):
            shutil.rmtree(left)
    return victim, seconds


def is_zombie(process: int) -> bool:
    """Whether a process has ended and nobody has asked how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def run_to_its_end(place: Path) -> dict[str, Any]:
    """Score, or go on with scoring, undisturbed, and give of the scorecard what must be the same."""
    place.mkdir(exist_ok=True)
    process = start(place)
    _, said = process.communicate()
    if process.returncode:
        sys.exit(said)
    if left := {path.name for path in place.iterdir()} - {"runs", "results"}:
        sys.exit(f"left behind: {', '.join(sorted(left))}")
    (path,) = (place / "results").rglob("*.json")
    return {name: value for name, value in json.loads(path.read_text()).items() if name not in EXEMPT}


def main() -> None:
    """Kill, run again, compare, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    killed: collections.Counter[str] = collections.Counter()
    chains, slowest = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        expected = run_to_its_end(Path(folder, "undisturbed"))
        whole = time.monotonic() - begin
        while killed.total() < options.kills:
            place = Path(folder, f"chain{chains}")
            place.mkdir()
            process = start(place)
            while killed.total() < options.kills:
                try:
                    process.communicate(timeout=chance.uniform(0, whole))
                    break
                except subprocess.TimeoutExpired:
                    victim, seconds = strike(process, place, chance)
                killed[victim] += 1
                slowest = max(slowest, seconds)
                process = start(place)
            process.communicate()
            if run_to_its_end(place) != expected:
                sys.exit(f"chain {chains} ended in another scorecard")
            chains += 1
            print(f"{killed.total()} kills, {chains} chains", file=sys.stderr, flush=True)
    print(", ".join(f"{victim}: {number}" for victim, number in sorted(killed.items())))
    print(f"{chains} chains ended in the same scorecard; no process was left for more than {slowest:.1f} s")


if __name__ == "__main__":
    main()
