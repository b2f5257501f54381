"""Which edits of solutions their tests catch.

    python benchmarks/mutations.py                          (all)
    python benchmarks/mutations.py --solution scl unsir     (two of them)

The edits stand in `mutation_lists/`, solution by solution: a learning rate that stays, a step that is left out, a wrong sign.
Each changes what the solution does, is made in a copy of the project, and is caught if one of the solution's tests fails then:
those of its own file and of the file that is edited, and what the files about all solutions ask of it, but for slow tests. They
must all pass without an edit. What was caught is kept in --runs until the edited file changes, so that the same command resumes
where it was stopped; survivors are tried again, since tests may have been added.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

PROJECT = Path(__file__).resolve().parents[1]
LISTS = Path(__file__).resolve().parent / "mutation_lists"
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "runs", "results", "figures")
OF_ALL = ("tests/zoo/test_optimiser_steps.py", "tests/zoo/test_all.py")
TIMEOUT = 900  # seconds; an edit that makes tests hang is caught
CONTEXT = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Mutation:
    """An edit of a solution.

    Attributes:
        solution: whose tests are run.
        what: is broken.
        old: text that stands once in the file.
        new: what takes its place.
        file: that is edited, from the project's root.
    """

    solution: str
    what: str
    old: str
    new: str
    file: str

    def applied(self, source: str) -> str:
        """The file's source with the edit.

        Raises:
            ValueError: the text does not stand there exactly once.
        """
        if (found := source.count(self.old)) != 1:
            raise ValueError(f'{self.solution}, "{self.what}": {self.old!r} stands {found} times in {self.file}, not once')
        return source.replace(self.old, self.new)

    def tests(self, project: Path) -> list[Path]:
        """The files of tests that may catch it besides `OF_ALL`."""
        names = [self.solution, Path(self.file).stem, f"parts_{Path(self.file).stem}"]
        paths = [project / "tests" / "zoo" / f"test_{name}.py" for name in dict.fromkeys(names)]
        return [path for path in paths if path.exists()]

    def key(self, project: Path) -> str:
        """Changes with the edit and its file."""
        parts = [self.solution, self.old, self.new, (project / self.file).read_text()]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def listed(folder: Path = LISTS) -> Iterator[Mutation]:
    """All mutations, in the order of their files."""
    for path in sorted(folder.glob("*.toml")):
        for solution, edits in tomllib.loads(path.read_text()).items():
            for what, (old, new, *file) in edits.items():
                yield Mutation(solution, what, old, new, *(file or [f"solutions/{solution}.py"]))


class Watch:
    """A plugin of pytest that lends a trained network to all runs, and remembers what failed first.

    Args:
        original: the network, for the fixture of that name.

    Attributes:
        failed: a test, or a file that cannot be read.
    """

    def __init__(self, original: nn.Module) -> None:
        self.original, self.failed = original, ""

    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> nn.Module | None:
        """Stand in for the fixture, which would train for seconds."""
        if fixturedef.argname != "original":
            return None
        fixturedef.cached_result = (self.original, fixturedef.cache_key(request), None)
        return self.original

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Look at a report."""
        if report.failed:
            self.failed = self.failed or report.nodeid

    pytest_collectreport = pytest_runtest_logreport


def trained_original() -> nn.Module:
    """The network of `tests/conftest.py`, by the kit of the first project on the path: the one that tests will use, too."""
    from starting_kit import tasks
    from starting_kit.training import train

    task = tasks.find("digits")
    data = task.load()
    torch.set_num_threads(1)  # as tests do; no other thread is there when processes are forked
    network: nn.Module = train(task, data, data.training, [0])[0]
    return network


def run_tests(copy: Path, mutation: Mutation, original: nn.Module, found: Connection) -> None:
    """Run a mutation's tests, in a process of their own, and tell the name of the first that fails, empty if none does."""
    os.chdir(copy)
    sys.dont_write_bytecode = True  # an edited file may be as long and as old as the one before
    watch = Watch(original)
    options = ["-o", "addopts=", "-p", "no:terminal", "-p", "no:cacheprovider", "-m", "not slow", "-x"]
    for tests in (list(map(str, mutation.tests(copy))), ["-k", f"[{mutation.solution}]", *OF_ALL]):
        if tests and pytest.main([*options, *tests], [watch]) != pytest.ExitCode.OK:
            found.send(watch.failed or "(pytest)")
            return
    found.send("")


def failing_test(mutation: Mutation, copy: Path, original: nn.Module) -> str:
    """The first test that fails with a mutation, empty if it survives."""
    path = copy / mutation.file
    source = path.read_text()
    path.write_text(mutation.applied(source))
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=run_tests, args=(copy, mutation, original, theirs))
    process.start()
    theirs.close()
    try:
        return str(ours.recv()) if ours.poll(TIMEOUT) else "(hangs)"
    finally:
        process.kill()
        process.join()
        path.write_text(source)


def require_passing(mutation: Mutation, copy: Path, original: nn.Module) -> None:
    """Run a mutation's tests without it.

    Raises:
        ValueError: one fails, so that it would seem to catch every edit.
    """
    if test := failing_test(replace(mutation, new=mutation.old), copy, original):
        raise ValueError(f"{mutation.solution}: {test} fails without any edit; mend it first")


def measure(mutations: list[Mutation], runs: Path) -> dict[Mutation, str]:
    """The test that catches each mutation, empty for those that survive; what was caught before is read from a folder.

    Raises:
        ValueError: a mutation's text is gone, or a test fails without any edit.
    """
    path = runs / "mutations.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(PROJECT, Path(folder) / "project", ignore=NOT_COPIED))
        sys.path.insert(0, str(copy))
        original = trained_original()
        passed: set[tuple[Path, ...]] = set()
        for mutation in mutations:
            key, tests = mutation.key(copy), (Path(mutation.solution), *mutation.tests(copy))
            if not known.get(key) and tests not in passed:
                require_passing(mutation, copy, original)
                passed.add(tests)
            found[mutation] = known.get(key) or failing_test(mutation, copy, original)
            print(f"{mutation.solution}: {mutation.what}: {found[mutation] or 'SURVIVES'}", file=sys.stderr, flush=True)
            known |= {key: found[mutation]}
            runs.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(known))
    return found


def table(found: dict[Mutation, str]) -> Iterator[str]:
    """A row for each solution, and the sum."""
    yield "| solution | caught | of | survivors |\n|---|---|---|---|"
    for solution in dict.fromkeys(mutation.solution for mutation in found):
        own = {mutation.what: test for mutation, test in found.items() if mutation.solution == solution}
        survivors = [what for what, test in own.items() if not test]
        yield f"| {solution} | {len(own) - len(survivors)} | {len(own)} | {'; '.join(survivors)} |"
    caught = sum(bool(test) for test in found.values())
    yield f"| all | {caught} | {len(found)} | {caught / len(found):.1%} caught |"


def main() -> int:
    """Try the mutations and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everything = list(listed())
    names = sorted({mutation.solution for mutation in everything})
    parser.add_argument("--solution", nargs="+", choices=names, default=names, metavar="NAME", help="(default: all)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where results are kept")
    options = parser.parse_args()
    try:
        found = measure([mutation for mutation in everything if mutation.solution in options.solution], options.runs)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for row in table(found):
        print(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
