"""Seeds, the text of cells, and which binding of a name counts."""

import json

import pytest

from shapes import KIT, LOOP, PLAIN, SIZES, run, weight
from starting_kit import loading
from starting_kit.notebooks import extraction

# --- seeds


@pytest.mark.parametrize(
    "cell",
    [
        "torch.manual_seed(42)",
        "np.random.seed(1)\nrandom.seed(2)",
        "def seed_everything(s):\n    random.seed(s)\n    torch.manual_seed(s)\nseed_everything(3)",
        "from pytorch_lightning import seed_everything as fix\nfix(3)",
        "if torch.cuda.is_available():\n    torch.cuda.manual_seed_all(0)",
    ],
)
def test_seeds_at_the_top_are_left_out(tmp_path, cell):
    function = "def unlearning(net, retain, forget, validation):\n    see(drawn=float(torch.rand(1)))"
    ran = [run(tmp_path, *KIT, cell, function, LOOP, seed=seed) for seed in (0, 1)]
    assert ran[0].seen != ran[1].seen
    assert all("is left out: every run has a seed of its own" in remark for remark in ran[0].remarks)
    assert ran[0].remarks


def test_seeds_in_the_loop_are_left_out(tmp_path):
    function = "def unlearning(net, retain, forget, validation):\n    see(drawn=float(torch.rand(1)))"
    loop = LOOP.replace("    unlearning(", "    seed_all(i)\n    unlearning(")
    helper = "def seed_all(s):\n    torch.manual_seed(s)"
    ran = [run(tmp_path, *KIT, helper, function, loop, seed=seed) for seed in (0, 1)]
    assert ran[0].seen != ran[1].seen
    assert ran[0].remarks == ["cell 6: seed_all(i) is left out: every run has a seed of its own"]


def test_seeds_inside_are_kept(tmp_path):
    function = (
        "def fix():\n    torch.manual_seed(0)\ndef unlearning(net, retain, forget, validation):\n    fix()\n"
        "    see(drawn=float(torch.rand(1)))"
    )
    ran = [run(tmp_path, *KIT, function, LOOP, seed=seed) for seed in (0, 1)]
    assert ran[0].seen == ran[1].seen


def test_a_seed_passed_for_each_run_differs(tmp_path):
    function = "def unlearning(net, retain, forget, validation, seed):\n    torch.manual_seed(seed)\n    see(seed=seed)"
    loop = LOOP.replace("validation_loader)\n    torch", "validation_loader, seed=100 + i)\n    torch")
    seen = {run(tmp_path, *KIT, function, loop, seed=seed).seen[0]["seed"] for seed in (1, 513, 1025)}
    assert len(seen) == 3


# --- what the text of a notebook may look like


def test_files_that_cells_write(tmp_path):
    cell = "%%writefile helpers_in_cell.py\nfrom more_in_cell import TWO\ndef scale(net):\n    net.weight.data *= TWO\n"
    function = "from helpers_in_cell import scale\ndef unlearning(net, retain, forget, validation):\n    scale(net)"
    assert weight(run(tmp_path, *KIT, cell, "%%writefile more_in_cell.py\nTWO = 2\n", function, LOOP).net) == 2


def test_modules_in_a_folder_that_the_notebook_puts_on_the_path(tmp_path):
    (tmp_path.parent / f"{tmp_path.name}_lib" / "sub").mkdir(parents=True)
    folder = tmp_path.parent / f"{tmp_path.name}_lib"
    (folder / "far_helpers.py").write_text("from sub.deep import THREE\n")
    (folder / "sub" / "deep.py").write_text("THREE = 3\n")
    function = "from far_helpers import THREE\ndef unlearning(net, retain, forget, validation):\n    net.weight.data *= THREE"
    ran = run(tmp_path, *KIT, f"import sys\nsys.path.append('../{folder.name}')", function, LOOP)
    assert weight(ran.net) == 3


def test_a_notebook_of_format_3_and_one_with_a_byte_order_mark(tmp_path):
    code = [
        {"cell_type": "code", "language": "python", "input": ["def unlearning(net, retain, forget, val):\n", "    return 3"]}
    ]
    old = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": code}]}
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(old), encoding="utf-8-sig")
    file, _ = extraction.write(path, [], None, tmp_path / "out")
    assert loading.load(file).unlearning(0, 0, 0, 0) == 3


def test_magics(tmp_path):
    cells = (
        "!pip install -q \\\n    timm \\\n    einops\n%matplotlib inline\n%time FACTOR = 3",
        "%%capture output\n%%time\nOFFSET = 1\n!nvidia-smi",
        (
            "def unlearning(net, retain, forget, validation):\n    !date\n    net.weight.data *= FACTOR\n"
            "    net.weight.data += OFFSET\n?print\nnet??"
        ),
        "%%bash\nrm -rf /",
    )
    ran = run(tmp_path, *KIT, *cells)
    assert weight(ran.net) == 4
    assert ran.remarks == []


# --- which binding counts


def test_the_last_binding_before_the_call_counts(tmp_path):
    function = "def unlearning(net, retain, forget, validation):\n    see(rate=RATE, device=DEVICE)"
    cells = (
        *KIT,
        "RATE = 1",
        function,
        "RATE = 2",
        LOOP,
        "RATE = 3\nimport torch\nDEVICE = next(net.parameters()).device\nRATE = torch.load('x')",
    )
    assert run(tmp_path, *cells).seen == [{"rate": 2, "device": "cpu"}]


def test_a_device_that_is_read_off_a_network(tmp_path):
    function = "def unlearning(net, retain, forget, validation):\n    see(device=DEVICE)"
    cell = "model = torch.load('model.pt')\nDEVICE = next(model.parameters()).device"
    assert str(run(tmp_path, *KIT, function, cell, LOOP).seen[0]["device"]) == "cpu"


@pytest.mark.parametrize(
    "cell",
    [
        "weights = torch.ones(3)\nfor c in range(3):\n    weights[c] = c",
        "weights = []\nfor c in range(3):\n    weights.append(c)\nweights = torch.tensor(weights)",
        "weights = torch.ones(3)\nwith torch.no_grad():\n    for c, w in enumerate((0, 1, 2)):\n        weights[c] = w",
        "weights = torch.zeros(3)\nc = 0\nwhile c < 3:\n    weights[c] += c\n    c += 1",
        (
            "d = {}\ntry:\n    d.update(a=1)\nexcept KeyError:\n    pass\nif d:\n    d['b'] = 2\n"
            "weights = torch.tensor([0, *d.values()])"
        ),
        "def fill(w):\n    for c in range(3):\n        w[c] = c\nweights = torch.ones(3)\nfill(weights)",
    ],
)
def test_blocks_that_fill_a_constant_are_kept(tmp_path, cell):
    function = "def unlearning(net, retain, forget, validation):\n    see(weights=[float(w) for w in weights])"
    later = "for c in train_set:\n    weights[c] = 9"
    assert run(tmp_path, *KIT, cell, function, LOOP, later).seen == [{"weights": [0, 1, 2]}]


@pytest.mark.parametrize(
    "use", ["np.random.shuffle(losses)", "torch.save(m, 'x')", "torch.backends.cudnn.benchmark = True", "os.makedirs(d)"]
)
def test_uses_of_a_module_drag_nothing_in(tmp_path, use):
    cell = "losses = m = d = torch.load('losses.pt')"
    function = PLAIN.replace("see(", "np.float32(1), os.getpid(), see(")
    assert run(tmp_path, *KIT, cell, use, function, LOOP, use).seen == [SIZES]
