"""What a solution finds when it is loaded and called, and what is left of it afterwards."""

import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from folders import DATA, TASK, Write, called, called_in_lockstep, weights, write_files  # noqa: F401  # a fixture
from starting_kit import contract
from starting_kit.errors import SolutionError
from starting_kit.loading import load
from starting_kit.returned import SolutionWarning
from starting_kit.streams import printed
from starting_kit.surroundings import surroundings

FILES = """
    import os, tempfile, torch
    assert not os.listdir(".") or sorted(os.listdir(".")) == ["mine.py"]
    torch.save(torch.ones(1), "at_top.pt")
    def unlearning(net, a, b, c):
        assert torch.load("at_top.pt") == 1
        assert not os.path.exists("best.pt")
        torch.save(net.state_dict(), "best.pt")
        net[-1].bias.data.fill_(7)
        net.load_state_dict(torch.load("best.pt"))
        with tempfile.NamedTemporaryFile() as file:
            assert os.path.dirname(file.name) == os.environ["TMPDIR"] == tempfile.gettempdir()
        os.chdir("/")
"""


def test_what_a_call_writes_belongs_to_it(write: Write, tmp_path: Path) -> None:
    path, before = write(FILES), (Path.cwd(), tempfile.gettempdir(), os.environ.get("TMPDIR"))
    for _ in range(2):
        called(path)
    called_in_lockstep(path, [1, 2])
    assert (Path.cwd(), tempfile.gettempdir(), os.environ.get("TMPDIR")) == before
    assert [file.name for file in tmp_path.iterdir()] == ["mine.py"]
    assert not list(Path(tempfile.gettempdir()).glob("call-*/work/best.pt"))


def test_a_call_that_fails_leaves_nothing_either(write: Write) -> None:
    before = Path.cwd()
    with pytest.raises(SolutionError, match=r"ValueError: no \(mine.py, line 2"):
        called(write("def unlearning(net, a, b, c):\n    raise ValueError('no')"))
    assert Path.cwd() == before


BESIDE = {
    "a file": "torch.load('weights.pt')",
    "a file in a folder": "torch.load('more/weights.pt')",
    "joined": "torch.load(os.path.join('more', 'weights.pt'))",
    "in a folder, computed": "torch.load(f'more/weight{chr(115)}.pt')",
    "by wildcards": "torch.load(glob.glob('more/*.pt')[0])",
    "above": "torch.load('../weights_above.pt')",
    "in a constant": "torch.load(NAME)",
}


@pytest.mark.parametrize("how", BESIDE.values(), ids=BESIDE)
def test_files_that_a_solution_names_are_seen_as_copies_and_are_part_of_it(write: Write, tmp_path: Path, how: str) -> None:
    path = tmp_path / "here" / "mine.py"
    (tmp_path / "here" / "more").mkdir(parents=True)
    text = f"""
        import glob, os, torch
        {"NAME = './weights.pt'" if "NAME" in how else ""}
        def unlearning(net, a, b, c):
            net[-1].bias.data.fill_({how})
            torch.save(torch.zeros(1), "weights.pt")
    """
    path.write_text(textwrap.dedent(text))
    for file in ("here/weights.pt", "here/more/weights.pt", "weights_above.pt"):
        torch.save(torch.tensor(7.0), tmp_path / file)
    before = contract.describe(path, [])
    for _ in range(2):
        assert (called(path).get_parameter("13.bias") == 7).all()
    for file in tmp_path.rglob("*.pt"):
        torch.save(torch.tensor(8.0), file)
    assert contract.describe(path, []).files != before.files
    assert contract.describe(path, []).files.keys() == before.files.keys()


def test_a_file_that_is_not_named_is_asked_for(write: Write, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").touch()
    with pytest.raises(
        SolutionError, match=r"FileNotFoundError.*if its code has the whole name in one string, like 'weights\.pt'"
    ):
        called(write("def unlearning(net, a, b, c): open('weights' + '.pt')"))


def test_a_folder_that_holds_too_much_is_no_part_of_a_solution(write: Write, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(1001):
        (tmp_path / "data" / str(number)).touch()
    words = ".", "..", "*", "/", "Is it?", "data", "data/", "data/1", "[", "", "%s"
    text = f"words = {words}\nf'{{words}}.{{words}}'\ndef unlearning(a, b, c, d): pass"
    assert contract.describe(write(text), []).files.keys() == {"data/1"}


def test_there_is_no_command_line(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["score.py", "--solution", "mine"])
    text = """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", default=7.0, type=float)
        args = parser.parse_args()
        def unlearning(net, a, b, c): net[-1].bias.data.fill_(parser.parse_args().lr)
    """
    assert (called(write(text)).get_parameter("13.bias") == 7).all()
    assert sys.argv == ["score.py", "--solution", "mine"]


GPU = """
    import torch
    from torch.cuda import synchronize
    torch.cuda.reset_peak_memory_stats()
    def unlearning(net, a, b, c):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        torch.cuda.synchronize()
        synchronize()
        end.record()
        assert start.elapsed_time(end) >= 0
        print(torch.cuda.max_memory_allocated() / 2**20, torch.cuda.get_device_name(torch.cuda.current_device()))
        torch.cuda.empty_cache()
"""


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without a GPU")
def test_waiting_for_a_gpu_that_is_not_there_does_nothing(write: Write) -> None:
    before = torch.cuda.synchronize
    called(write(GPU))
    assert torch.cuda.synchronize is before


def test_progress_bars_for_notebooks_need_no_widgets(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.delitem(sys.modules, "tqdm.notebook", raising=False)
    called(
        write("from tqdm.notebook import tqdm, trange\ndef unlearning(net, a, b, c):\n    for x, y in tqdm(b): [*trange(2)]")
    )


WORKERS = """
    import time, torch
    from torch.utils.data import DataLoader, Dataset

    class Flipped(Dataset):
        def __init__(self, base): self.base = base
        def __len__(self): return len(self.base)
        def __getitem__(self, index):
            image, label = self.base[index]
            return image.flip(-1), label

    def unlearning(net, retain, forget, val):
        OPTIONS
        start = time.monotonic()
        for x, y in DataLoader(Flipped(forget.dataset), batch_size=64, num_workers=2, **options): pass
        assert len(x)
"""


@pytest.mark.parametrize("options", ["options = {}", "options = dict(multiprocessing_context='spawn')"])
def test_loader_workers_are_forked_whatever_started_this_process(write: Write, options: str) -> None:
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("spawn", force=True)  # as in a worker
    try:
        called(write(WORKERS.replace("OPTIONS", options)))
        called(write(WORKERS.replace("OPTIONS", "options = {}; torch.multiprocessing.set_start_method('spawn')")))
        assert multiprocessing.get_start_method() == "spawn"
    finally:
        multiprocessing.set_start_method(before, force=True)


LEAVES = """
    import logging, os, signal, sys, warnings
    import numpy as np, torch
    def unlearning(net, a, b, c):
        torch.set_default_device("meta")
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.set_num_threads(3)
        torch.set_deterministic_debug_mode("warn")
        torch.set_float32_matmul_precision("medium")
        torch.autograd.set_detect_anomaly(True)
        torch.set_autocast_enabled("cpu", True)
        torch.backends.cudnn.benchmark = True
        os.environ["SEEN"] = os.environ["CUDA_VISIBLE_DEVICES"] = "0"
        os.environ.pop("HOME", None)
        warnings.simplefilter("error")
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(600)
        sys.setrecursionlimit(5000)
        sys.path.append("/elsewhere")
        np.seterr(all="raise")
        logging.basicConfig()
        logging.root.setLevel(logging.DEBUG)
        sys.stdout = None
"""


def state() -> tuple[object, ...]:
    of_torch = (torch.empty(0).device, torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads())
    numerics = (torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision(), torch.is_anomaly_enabled())
    flags = (torch.is_autocast_enabled("cpu"), torch.backends.cudnn.benchmark)
    of_system = (dict(os.environ), warnings.filters[:], signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM))
    of_python = (sys.getrecursionlimit(), sys.path[:], sys.stdout, sys.argv, sys.dont_write_bytecode)
    return (
        *of_torch,
        numerics,
        flags,
        of_system,
        of_python,
        np.geterr(),
        logging.root.handlers[:],
        logging.root.level,
        Path.cwd(),
    )


def test_what_a_solution_changes_for_its_process_is_put_back(write: Write) -> None:
    path = write(LEAVES)
    contract.describe(path, [])
    called(write("def unlearning(net, a, b, c): pass", name="harmless"))
    before = state()
    with surroundings(path, []):
        exec(textwrap.dedent(LEAVES), space := {})
        space["unlearning"](None, None, None, None)
        assert state() != before
    assert state() == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    called(path)
    assert state()[:3] == before[:3]


def test_no_folder_of_an_earlier_solution_stays_on_the_path(write: Write) -> None:
    before = sys.path[:]
    late = load(write("def later():\n    import helper\ndef unlearning(net, a, b, c): pass", helper="x = 1"))
    called(write("import sys\nsys.path.pop(0)\ndef unlearning(net, a, b, c): sys.path.append('/x')", name="other"))
    assert sys.path == before
    late.later()  # as a network of its own may, when it is evaluated
    called(write("def unlearning(net, a, b, c): pass", name="third"))
    assert sys.path == before


def test_a_solution_may_close_its_streams(write: Write) -> None:
    text = """
        import sys
        sys.stdout.reconfigure(line_buffering=True)
        def unlearning(net, a, b, c):
            print("x")
            sys.stdout.close()
            sys.stderr.close()
    """
    path = write(text)
    with printed() as stream:
        called(path)
        print("y")
    assert stream.text == "x\ny\n"
    assert not sys.stdout.closed


@pytest.mark.slow
def test_networks_can_be_compiled_in_a_call(write: Write) -> None:
    text = """
        import torch
        def unlearning(net, retain, forget, val):
            net[-1].bias.data.fill_(7)
            net = torch.compile(net)
            with torch.no_grad():
                net(next(iter(forget))[0])
            return net
    """
    path = write(text)
    for _ in range(2):
        with pytest.warns(SolutionWarning, match="in OptimizedModule; what is scored is the network inside"):
            assert (called(path).get_parameter("13.bias") == 7).all()
