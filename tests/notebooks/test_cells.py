"""Seeds, the text of cells, and which binding of a name counts."""

import json

import pytest

from shapes import DEVICE, IMPORTS, KIT, LOOP, PLAIN, SIZES, run, weight
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


# --- whole notebooks that were refused, or scored wrongly


@pytest.mark.parametrize(
    "signature", ["net, retain, forget, validation, **kwargs", "net, retain, forget, validation, *args, lr=2"]
)
def test_open_signatures_without_a_call(tmp_path, signature):
    function = f"def unlearning({signature}):\n    see(retain=retain, forget=forget, validation=validation)"
    assert run(tmp_path, *KIT, function, "if False:\n    unlearning(0, 0, 0, 0, lr=0.05)").seen == [SIZES]


def test_without_a_call_the_definition_is_the_use(tmp_path):
    function = "def unlearning(net, retain, forget, validation):\n    see(device=str(DEVICE), rate=RATE)"
    later = "import torch\nmodel = torchvision.models.resnet18()\nDEVICE = next(model.parameters()).device\nRATE = 2"
    ran = run(tmp_path, *KIT, "RATE = 1", function, later)
    assert ran.seen == [{"device": "cpu", "rate": 1}]
    assert not hasattr(ran.module, "model")


def test_loaders_that_are_not_there_yet(tmp_path):
    function = "def unlearning(net, forget, retain, validation):\n    see(retain=retain, forget=forget, validation=validation)"
    call = "net = retain_loader = forget_loader = val_loader = None\nunlearning(net, forget_loader, retain_loader, val_loader)"
    assert run(tmp_path, IMPORTS, function, call).seen == [SIZES]


def test_a_batch_size_is_taken_from_a_function_that_is_not_written_yet(tmp_path):
    data = "def get_dataset(batch_size):\n    return None, None, None"
    function = PLAIN.replace("see(", "see(size=retain_loader.batch_size, ")
    assert run(tmp_path, IMPORTS, DEVICE, data, function, LOOP.replace("64", "256")).seen == [{"size": 256, **SIZES}]


def test_one_loader_for_everything(tmp_path):
    made = "train_set = torchvision.datasets.CIFAR10('.')\nloader = DataLoader(train_set, batch_size=32)"
    call = "model = unlearning(torchvision.models.resnet18(), loader, loader, loader)"
    after = "losses = [float(y) for y in loader]\nnp.random.shuffle(losses)\ntorch.save(model.state_dict(), 'model.pth')"
    ran = run(tmp_path, *KIT, f"{PLAIN}    return net\n", made, call, after)
    assert ran.seen == [SIZES]
    assert weight(ran.net) == 2


def test_constants_of_the_kit(tmp_path):
    ran = run(tmp_path, *KIT, 'BATCHES = "dict"\nLOCKSTEP = False\nSEARCH_SPACE = {}', PLAIN)
    assert (ran.module.BATCHES, ran.module.LOCKSTEP, ran.module.SEARCH_SPACE) == ("dict", False, {})


def test_a_module_that_is_imported_by_a_function(tmp_path):
    (tmp_path / "lib_of_mine").mkdir()
    (tmp_path / "lib_of_mine" / "__init__.py").touch()
    (tmp_path / "lib_of_mine" / "helpers.py").write_text("FACTOR = 4\n")
    function = "def unlearning(net, retain, forget, validation):\n    net.weight.data *= tools.FACTOR"
    ran = run(tmp_path, *KIT, 'import importlib\ntools = importlib.import_module("lib_of_mine.helpers")', function, LOOP)
    assert weight(ran.net) == 4
    assert (tmp_path / "out" / "mine" / "lib_of_mine" / "helpers.py").exists()


def test_bars_of_notebooks(tmp_path):
    function = "from tqdm.notebook import tqdm\ndef unlearning(net, retain, forget, validation):\n    see(bar=tqdm.__name__)"
    assert run(tmp_path, *KIT, function, LOOP.replace("range(512)", "tqdm(range(512))")).seen == [{"bar": "tqdm_notebook"}]


def test_a_registry_that_decorators_fill_is_filled(tmp_path):
    registry = """
METHODS = {}
def register(name):
    def keep(function):
        METHODS[name] = function
        return function
    return keep
@register("double")
def double(net):
    net.weight.data.mul_(2)
"""
    function = "def unlearning(net, retain, forget, validation):\n    METHODS['double'](net)"
    assert weight(run(tmp_path, *KIT, registry, function, LOOP).net) == 2
