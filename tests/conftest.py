import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from filelock import FileLock

from starting_kit import tasks
from starting_kit.training import train

PROJECT = Path(__file__).resolve().parents[1]
PLAIN = PROJECT / "tests" / "plain_solutions"  # by authors who know nothing of lockstep

collect_ignore_glob = ["wild/kit/*", "wild/notebooks/*", "wild/solutions/*"]  # what people write is read, not imported

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

STARTED = "STARTED_BY_A_TEST="  # marks what a test has started

torch.set_num_threads(1)

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    # Each test process has a core of its own, so that commands start one worker and not as many as the machine has cores.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")) % len(cores)]})


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Decoded pictures are not looked for in the user's cache."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def data():
    """The folder of data sets that are not embedded."""
    folder = Path(os.environ.get("UNLEARNING_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("data sets that are not embedded are needed; $UNLEARNING_DATA says where they lie")
    return folder


@pytest.fixture(scope="session")
def cifar10_populations(data):
    """Populations that the authors of "Forget with Precision" published."""
    return data / "cifar10_populations"


@pytest.fixture(scope="session")
def original():
    """A trained network of `digits`, for tests that work on copies of it."""
    task = tasks.find("digits")
    data = task.load()
    return train(task, data, data.training, [0])[0]


@contextmanager
def caught(name, descriptor):
    """The file that gets what this process and the workers it starts write to a standard stream."""
    stream = getattr(sys, name)
    stream.flush()
    saved = os.dup(descriptor)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        os.dup2(file.fileno(), descriptor)
        setattr(sys, name, file)
        try:
            yield file
        finally:
            setattr(sys, name, stream)
            os.dup2(saved, descriptor)
            os.close(saved)


def run_script(name, *arguments, cwd=None):
    """What a command of evaluation/ gives and says, run in this process: starting another takes seconds."""
    command = importlib.import_module(f"evaluation.{Path(name).stem}")
    with caught("stdout", 1) as stdout, caught("stderr", 2) as stderr, chdir(cwd or Path.cwd()):
        try:
            returncode = command.main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            returncode = end.code
        said = []
        for file in (stdout, stderr):
            file.seek(0)
            said.append(file.read())
    return SimpleNamespace(returncode=returncode, stdout=said[0], stderr=said[1])


def start_script(name, *arguments):
    """Start a command of evaluation/ as a user does, in a process group of its own."""
    command = [sys.executable, str(PROJECT / "evaluation" / name), *map(str, arguments)]

    def hear_interrupts():  # a shell makes what it starts in the background deaf to Ctrl-C, and that is inherited
        signal.signal(signal.SIGINT, signal.default_int_handler)

    pipe, mark = subprocess.PIPE, f"{STARTED}{uuid.uuid4()}"
    started = subprocess.Popen(
        command,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        preexec_fn=hear_interrupts,
        env={**os.environ, **dict([mark.split("=")])},
    )
    started.mark = mark  # type: ignore[attr-defined]
    return started


def all_gone(process):
    """Whether all that the process has started notices, within seconds, that it is no more, in whatever session it is."""
    for _ in range(100):
        if not any(process.mark.encode() in environment for environment in environments()):
            return True
        time.sleep(0.1)
    return False


def environments():
    """The environment with which each process was started."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has gone by now, or is somebody else's
            yield (folder / "environ").read_bytes()


@pytest.fixture(scope="session")
def of_all_processes(tmp_path_factory, worker_id):
    """Give the folder of a name that the test processes share, made by the first that asks for it."""
    base = tmp_path_factory.getbasetemp()
    common = base if worker_id == "master" else base.parent

    def folder(name, make):
        with FileLock(common / f"{name}.lock"):
            if not (common / name / "made").exists():
                (common / name).mkdir()
                make(common / name)
                (common / name / "made").touch()
        return common / name

    return folder


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        pytest.skip("there is no chromium on the path (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; make test brings it")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Opens a file in the browser; what it asks for and complains of must be nothing at the end."""
    tab, said, asked = browser.new_page(viewport={"width": 1440, "height": 900}), [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))

    def open_file(path):
        tab.goto(path.as_uri())
        return tab

    yield open_file
    assert not said
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    tab.close()


def require_accessible(tab):
    """As far as axe can tell."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed; make test brings it")
    found = axe.Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()


@pytest.fixture(scope="session")
def sixteen(of_all_processes, tmp_path_factory):
    """Populations of 16 models of `finetune`, made once by the real command; each test process has its copy."""

    def make(folder):
        places = ("--runs", folder / "runs", "--results", folder / "results", "--export", folder / "exported")
        run = run_script(
            "score.py", "--solution", "finetune", "--models", 16, "--hyperparameters", "published", "--workers", 2, *places
        )
        assert run.returncode == 0, run.stderr
        (folder / "stdout").write_text(run.stdout)
        (folder / "stderr").write_text(run.stderr)

    folder = of_all_processes("sixteen", make)
    runs = shutil.copytree(folder / "runs", tmp_path_factory.mktemp("sixteen") / "runs")
    path = folder / "results" / "digits" / "finetune--published,n16.json"
    card = json.loads(path.read_text())
    return SimpleNamespace(
        runs=runs,
        results=folder / "results",
        exported=folder / "exported",
        populations=sorted((runs / "digits-v2").iterdir()),
        path=path,
        card=card,
        output=(folder / "stdout").read_text(),
        log=(folder / "stderr").read_text(),
    )


@pytest.fixture
def results(sixteen, tmp_path):
    """A folder of scorecards that differ from a real one as given."""

    def write(**cards):
        for name, changes in cards.items():
            path = tmp_path / "results" / changes.get("task", "digits") / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({**sixteen.card, **changes}))
        return tmp_path / "results"

    return write


@pytest.fixture
def score(sixteen, tmp_path):
    """Run score.py on 16 models, on the populations that are there, with scorecards in tmp_path."""

    def run(*arguments, **options):
        common = ("--models", 16, "--workers", 1, "--runs", sixteen.runs, "--results", tmp_path / "results")
        return run_script("score.py", *common, *arguments, **options)

    return run


@pytest.fixture
def write_solution(tmp_path):
    """Write a solution's file: the body of `unlearning`, or a whole file."""

    def write(body, name="mine", whole=False):
        signature = "def unlearning(net, retain_loader, forget_loader, val_loader):\n"
        indented = "".join(f"    {line}\n" for line in body.splitlines())
        path = tmp_path / f"{name}.py"
        path.write_text(body if whole else f"import torch\n\n{signature}{indented}")
        return path

    return write
