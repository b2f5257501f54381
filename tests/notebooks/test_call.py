"""What a notebook does around its call of `unlearning` is what is scored: each notebook is taken apart, and what comes out is run."""

import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from starting_kit import loading
from starting_kit.errors import InputError
from starting_kit.notebooks import extraction
from starting_kit.runner import start_afresh

SIZES = {"retain": 40, "forget": 8, "validation": 16}
IMPORTS = """
import copy, os, random
import numpy as np
import torch
import torchvision
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset
SEEN = []
def see(**given):
    SEEN.append({name: len(x.dataset) if hasattr(x, "dataset") else x for name, x in given.items()})
"""
DATA = """
class HiddenDataset(Dataset):
    def __init__(self, split):
        self.rows = np.load(f"/kaggle/input/{split}.npy")
def get_dataset(batch_size, shuffle=True):
    retain_ds = HiddenDataset(split="retain")
    forget_ds = HiddenDataset(split="forget")
    val_ds = HiddenDataset(split="validation")
    retain_loader = DataLoader(retain_ds, batch_size=batch_size, shuffle=shuffle, num_workers=2)
    forget_loader = DataLoader(forget_ds, batch_size=batch_size, shuffle=True)
    validation_loader = DataLoader(val_ds, batch_size=batch_size, shuffle=True)
    return retain_loader, forget_loader, validation_loader
"""
PLAIN = """
def unlearning(net, retain_loader, forget_loader, val_loader):
    see(retain=retain_loader, forget=forget_loader, validation=val_loader)
    with torch.no_grad():
        net.weight.mul_(2)
"""
LOOP = """
retain_loader, forget_loader, validation_loader = get_dataset(64)
net = torchvision.models.resnet18(weights=None, num_classes=10)
net.to(DEVICE)
for i in range(512):
    net.load_state_dict(torch.load("/kaggle/input/original_model.pth"))
    unlearning(net, retain_loader, forget_loader, validation_loader)
    torch.save(net.state_dict(), f"/kaggle/tmp/unlearned_checkpoint_{i}.pth")
"""
DEVICE = 'DEVICE = "cuda" if torch.cuda.is_available() else "cpu"'
KIT = (IMPORTS, DEVICE, DATA)


def loader(split):
    size = SIZES[split]
    return DataLoader(TensorDataset(torch.randn(size, 2), torch.zeros(size).long()), batch_size=4, shuffle=True)


@pytest.fixture
def write(tmp_path):
    """Write a notebook of these code cells."""

    def write(*cells, name="mine"):
        path = tmp_path / f"{name}.ipynb"
        code = [
            {"cell_type": "code", "metadata": {}, "outputs": [], "source": cell.splitlines(keepends=True)} for cell in cells
        ]
        path.write_text(json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
        return path

    return write


@pytest.fixture
def run(write, tmp_path):
    """Take a notebook of these cells apart and call what comes out; how often it was called with what, and what came back."""

    def run(*cells, seed=0, settings=(), **values):
        file, remarks = extraction.write(write(*cells), settings, None, tmp_path / "out")
        start_afresh(seed)
        net, given = nn.Linear(2, 2), {split: loader(split) for split in SIZES}
        nn.init.ones_(net.weight)
        module = loading.load(file)
        start_afresh(seed)  # as what is executed at the top seeds nothing
        returned = module.unlearning(net, *given.values(), **values)
        result = net if returned is None else returned
        return SimpleNamespace(
            module=module, seen=getattr(module, "SEEN", []), net=result, given=net, remarks=remarks, text=file.read_text()
        )

    return run


def indented(text):
    return "".join(f"    {line}\n" for line in text.splitlines())


def weight(net):
    return net.weight[0, 0].item()


# --- which argument is what


@pytest.mark.parametrize(
    ("signature", "call"),
    [
        ("net, forget, retain, validation", "net, forget_loader, retain_loader, validation_loader"),
        ("net, retain, forget, validation", "net, retain_loader, forget_loader, validation_loader"),
        ("model, forget, validation, retain", "net, forget_loader, validation_loader, retain_loader"),
        ("retain, forget, validation, net", "retain_loader, forget_loader, validation_loader, net"),
        ("net, retain, forget, validation", "net, forget=forget_loader, validation=validation_loader, retain=retain_loader"),
        (
            "net, retain, forget, validation",
            "net=net, retain=retain_loader, forget=forget_loader, validation=validation_loader",
        ),
        (
            "net, retain, forget, validation",
            "**dict(net=net, validation=validation_loader), retain=retain_loader, forget=forget_loader",
        ),
        ("net, retain, forget, *, validation", "net, retain_loader, forget_loader, validation=validation_loader"),
        ("net, *loaders", "net, *[retain_loader, forget_loader, validation_loader]"),
    ],
)
def test_arguments_are_what_the_call_gives(run, signature, call):
    names = "retain, forget, validation = loaders" if "*loaders" in signature else "pass"
    net = signature.replace("model", "net")
    function = f"def unlearning({net}):\n    {names}\n    see(retain=retain, forget=forget, validation=validation)\n    net.weight.data *= 2"
    ran = run(*KIT, function, LOOP.replace("net, retain_loader, forget_loader, validation_loader)", f"{call})", 1))
    assert ran.seen == [SIZES]
    assert weight(ran.net) == 2
    assert ran.remarks == []


def test_what_the_call_gives_goes_before_what_names_say(run):
    function = PLAIN
    ran = run(*KIT, function, LOOP.replace("net, retain_loader, forget_loader", "net, forget_loader, retain_loader"))
    assert ran.seen == [{"retain": 8, "forget": 40, "validation": 16}]
    assert len(ran.remarks) == 2
    assert "gives forget_loader for the parameter retain_loader" in ran.remarks[0]


def test_names_without_a_call_must_not_contradict_the_order(run):
    function = "def unlearning(net, forget, retain, validation):\n    pass"
    with pytest.raises(InputError, match=r"defines unlearning\(net, forget, retain, validation\) and never calls it: put"):
        run(*KIT, function)


@pytest.mark.parametrize(("signature", "seen"), [("net, retain, forget", SIZES), ("net, forget, retain", SIZES)])
def test_three_parameters(run, signature, seen):
    function = f"def unlearning({signature}):\n    see(retain=retain, forget=forget, validation=16)"
    loaders = ", ".join(f"{name}_loader" for name in signature.split(", ")[1:])
    assert run(*KIT, function, LOOP.replace("retain_loader, forget_loader, validation_loader)", f"{loaders})", 1)).seen == [
        seen
    ]


def test_three_parameters_without_a_call(run):
    function = "def unlearning(net, retain, forget):\n    see(retain=retain, forget=forget, validation=16)"
    assert run(*KIT, function).seen == [SIZES]


def test_a_dictionary_of_loaders(run):
    function = "def unlearning(net, loaders):\n    see(**loaders)"
    call = "loaders = dict(retain=retain_loader, forget=forget_loader, validation=validation_loader)\nunlearning(net, loaders)"
    cells = "retain_loader, forget_loader, validation_loader = get_dataset(64)\nnet = torchvision.models.resnet18()\n"
    assert run(*KIT, function, cells + call).seen == [SIZES]


def test_loaders_looked_up_in_a_dictionary(run):
    data = (
        'loaders = {s: DataLoader(HiddenDataset(s), batch_size=32, shuffle=True) for s in ("retain", "forget", "validation")}\n'
    )
    call = 'net = torchvision.models.resnet18()\nunlearning(net, loaders["retain"], loaders["forget"], loaders["validation"])'
    function = PLAIN.replace("see(", "see(size=retain_loader.batch_size, ")
    assert run(*KIT, function, data + call).seen == [{"size": 32, **SIZES}]


# --- what else it passes


def test_values_passed_are_defaults_that_can_be_set(run):
    function = (
        "def unlearning(net, retain, forget, validation, epochs=1, lr=0.01, *, wd=0.1):\n    see(epochs=epochs, lr=lr, wd=wd)"
    )
    call = LOOP.replace("validation_loader)\n    torch", "validation_loader, 3, **params)\n    torch")
    cells = (*KIT, function, "params = dict(lr=0.5)", call)
    assert run(*cells).seen == [{"epochs": 3, "lr": 0.5, "wd": 0.1}]
    assert run(*cells, lr=0.7).seen == [{"epochs": 3, "lr": 0.7, "wd": 0.1}]


def test_values_of_a_configuration_class(run):
    function = "def unlearning(net, retain, forget, validation, lr=1):\n    see(lr=lr, size=retain.batch_size)"
    config = "class CFG:\n    lr = 0.3\n    batch_size = 32\nCFG.lr = 0.4"
    call = LOOP.replace("get_dataset(64)", "get_dataset(CFG.batch_size)").replace(
        "_loader)\n    torch", "_loader, CFG.lr)\n    torch"
    )
    assert run(*KIT, config, function, call).seen == [{"lr": 0.4, "size": 32}]


def test_params_that_change_are_passed_as_they_are_then(run):
    function = "def unlearning(net, retain, forget, validation, **params):\n    see(**params)"
    params = 'params = {"lr": 1}\nparams["lr"] = 2\nparams.update(wd=3)'
    call = LOOP.replace("validation_loader)\n    torch", "validation_loader, **params)\n    torch")
    assert run(*KIT, function, params, call).seen == [{"lr": 2, "wd": 3}]


def test_an_optimizer_of_the_network_is_made_in_every_run(run):
    function = "def unlearning(net, optimizer, retain, forget, validation):\n    see(retain=retain, forget=forget, validation=validation)\n"
    function += "    net(torch.ones(1, 2)).sum().backward()\n    optimizer.step()"
    call = LOOP.replace("    unlearning(net, ", "    opt = optim.SGD(net.parameters(), lr=RATE)\n    unlearning(net, opt, ")
    ran = run(*KIT, function, "RATE = 0.25", call)
    assert ran.seen == [SIZES]
    assert weight(ran.net) == 0.75


def test_the_original_network_as_a_teacher(run):
    function = "def unlearning(net, retain, forget, validation, teacher):\n    net.weight.data *= 3\n    see(teacher=float(teacher.weight[0, 0]))"
    call = LOOP.replace(
        "    unlearning(net, retain_loader, forget_loader, validation_loader",
        "    teacher = copy.deepcopy(net)\n    unlearning(net, retain_loader, forget_loader, validation_loader, teacher",
    )
    ran = run(*KIT, function, call)
    assert ran.seen == [{"teacher": 1.0}]
    assert weight(ran.net) == 3


def test_a_value_that_cannot_be_had_is_left_out_or_refused(run):
    call = LOOP.replace("validation_loader)\n    torch", "validation_loader, weights=w)\n    torch")
    weights = 'w = torch.load("weights.pt")\n'
    function = "def unlearning(net, retain, forget, validation, weights{}):\n    see(weights=weights)"
    ran = run(*KIT, function.format("=None"), weights + call)
    assert ran.seen == [{"weights": None}]
    assert "unlearning is called without weights=w" in ran.remarks[0]
    with pytest.raises(InputError, match=r"unlearning needs what cell 5: w = torch.load\(.* reads a file"):
        run(*KIT, function.format(""), weights + call)


# --- the loaders


@pytest.mark.parametrize(
    ("made", "size", "sampler"),
    [
        ("get_dataset(256)", 256, RandomSampler),
        ("get_dataset(batch_size=BS)", 24, RandomSampler),
        ("get_dataset(64)", 4, RandomSampler),
        ("get_dataset(64, shuffle=False)", 4, torch.utils.data.SequentialSampler),
        ("get_dataset(2 * BS, False)", 48, torch.utils.data.SequentialSampler),
    ],
)
def test_loaders_are_set_up_as_the_notebook_does(run, made, size, sampler):
    function = PLAIN.replace("see(", "see(size=retain_loader.batch_size, order=type(retain_loader.sampler), ")
    ran = run(*KIT, "BS = 24", function, LOOP.replace("get_dataset(64)", made))
    assert ran.seen == [{"size": size, "order": sampler, **SIZES}]


def test_a_loader_made_in_the_call(run):
    function = PLAIN.replace("see(", "see(size=forget_loader.batch_size, dropped=forget_loader.drop_last, ")
    call = LOOP.replace(
        "net, retain_loader, forget_loader,", "net, retain_loader, DataLoader(forget_ds, 3, True, drop_last=True),"
    )
    ran = run(*KIT, function, "forget_ds = HiddenDataset('forget')", call)
    assert ran.seen == [{"size": 3, "dropped": True, **SIZES}]


def test_a_sampler_is_named(run):
    made = "retain_loader = DataLoader(HiddenDataset('retain'), batch_size=16, sampler=WeightedRandomSampler(w, 30))\n"
    ran = run(*KIT, PLAIN, LOOP.replace("net = torchv", f"{made}net = torchv"))
    assert ran.seen == [SIZES]
    assert any("sampler=WeightedRandomSampler(w, 30) of retain_loader is not carried over" in r for r in ran.remarks)


def test_a_loader_of_unknown_making_is_named(run):
    ran = run(
        *KIT,
        PLAIN,
        LOOP.replace("get_dataset(64)", "kit.loaders()").replace("retain_loader, f", "import kit\nretain_loader, f", 1),
    )
    assert ran.seen == [SIZES]
    assert ran.remarks[0].endswith("= kit.loaders(): how this makes retain_loader is not known, it is the task's")


def test_data_sets_that_functions_look_up(run):
    function = PLAIN.replace("see(", "see(looked_up=len(forget_ds), ")
    ran = run(*KIT, "forget_ds = HiddenDataset('forget')", function, LOOP)
    assert ran.seen == [{"looked_up": 8, **SIZES}]


# --- where the call stands


@pytest.mark.parametrize(
    "main",
    [
        "def main():\n{}\nmain()",
        "def main():\n{}\nif __name__ == '__main__':\n    main()",
        "def main(count=512, lr=0.1):\n{}\nmain(lr=0.2)",
        "def main():\n    if os.path.exists('/kaggle/input/empty.txt'):\n        return\n{}\nmain()",
        "try:\n{}\nfinally:\n    print('done')",
        "with open('log.txt', 'w') as log:\n{}",
        "if not os.path.exists('/kaggle/input/empty.txt'):\n{}\nelse:\n    unlearning(None, None, None, None)",
    ],
)
def test_the_call_is_found_in_blocks_and_functions(run, main):
    loop = LOOP.replace("get_dataset(64)", "get_dataset(32)").replace("torch.save", "noise(net)\n    torch.save")
    noise = "def noise(net):\n    for p in net.parameters():\n        p.data += 1"
    function = PLAIN.replace("see(", "see(size=retain_loader.batch_size, ")
    ran = run(*KIT, function, noise, main.format(indented(loop)))
    assert ran.seen == [{"size": 32, **SIZES}]
    assert weight(ran.net) == 3
    assert ran.remarks == []


def test_a_function_for_each_run(run):
    cells = """
def load():
    net = torchvision.models.resnet18()
    net.load_state_dict(torch.load("original.pth"))
    return net.to(DEVICE)
def one(i, net, lr, data):
    a, b, c = data
    net = unlearning(net, a, b, c, lr=lr * 2)
    return net
def save(model, i):
    model.half()
    torch.save(model.state_dict(), f"unlearned_checkpoint_{i}.pth")
loaders = get_dataset(128)
for i in range(512):
    save(one(i, load(), 0.25, loaders), i)
"""
    function = "def unlearning(net, retain, forget, validation, lr=1):\n    see(retain=retain, forget=forget, validation=validation)\n    net.weight.data *= lr\n    return net"
    ran = run(*KIT, function, cells)
    assert ran.seen == [SIZES]
    assert weight(ran.net) == 0.5
    assert ran.net.weight.dtype == torch.float16


def test_contexts_around_the_call_are_entered(run):
    function = PLAIN.replace("see(", "see(grad=torch.is_grad_enabled(), ")
    call = LOOP.replace("    unlearning(", "    with torch.no_grad():\n        unlearning(")
    assert run(*KIT, function, call).seen == [{"grad": False, **SIZES}]
    decorated = f"@torch.inference_mode()\ndef main():\n{indented(LOOP)}main()"
    assert run(*KIT, function, decorated).seen == [{"grad": False, **SIZES}]


def test_autocast_around_the_call(run):
    function = PLAIN.replace("see(", "see(on=torch.is_autocast_enabled('cpu'), ")
    call = LOOP.replace("    unlearning(", "    with torch.autocast('cpu', dtype=torch.bfloat16):\n        unlearning(")
    ran = run(*KIT, function, call)
    assert ran.seen == [{"on": True, **SIZES}]


def test_a_loop_that_goes_on_with_the_same_network(run):
    call = LOOP.replace("    unlearning(", "    for _ in range(3):\n        unlearning(")
    ran = run(*KIT, PLAIN, call)
    assert ran.seen == [SIZES] * 3
    assert weight(ran.net) == 8


def test_two_calls_one_after_another(run):
    call = LOOP.replace(
        "    torch.save", "    unlearning(net, forget_loader, retain_loader, validation_loader)\n    torch.save"
    )
    ran = run(*KIT, PLAIN, call)
    assert [seen["retain"] for seen in ran.seen] == [40, 8]
    assert weight(ran.net) == 4


def test_a_call_under_another_name(run):
    ran = run(
        *KIT,
        PLAIN,
        "my_method = unlearning",
        LOOP.replace("    unlearning(", "    my_method(").replace("get_dataset(64)", "get_dataset(2)"),
    )
    assert ran.seen == [SIZES]


def test_a_call_in_a_method_is_not_followed_and_that_is_said(run):
    method = (
        "class Run:\n    def go(self):\n        unlearning(net, retain_loader, forget_loader, validation_loader)\nRun().go()"
    )
    ran = run(*KIT, PLAIN, method)
    assert ran.seen == [SIZES]
    assert "uses unlearning and is not followed" in ran.remarks[0]


def test_the_number_of_a_run_follows_from_its_seed(run):
    function = "def unlearning(net, retain, forget, validation, lr):\n    see(lr=lr)"
    call = LOOP.replace("validation_loader)\n    torch", "validation_loader, [1, 2, 3][i % 3])\n    torch")
    seen = [run(*KIT, function, call, seed=seed).seen[0]["lr"] for seed in range(3)]
    assert sorted(seen) == [1, 2, 3]


# --- what is done before and after, and what is saved


@pytest.mark.parametrize(
    ("after", "result"),
    [
        ("    for p in net.parameters():\n        p.data.add_(1)\n", 3),
        ("    with torch.no_grad():\n        net.weight.fill_(7)\n", 7),
        ("    nn.init.constant_(net.weight, 5)\n", 5),
        ("    net.weight.data = net.weight.data * 4\n", 8),
        ("    for name, p in net.named_parameters():\n        if 'weight' in name:\n            p.data *= 3\n", 6),
        ("    accuracy(net, validation_loader)\n    print(accuracy(net, retain_loader))\n", 2),
        ("    torch.manual_seed(i)\n", 2),
        ("    repair(net, retain_loader)\n", 1.5),
    ],
)
def test_what_is_done_to_the_network_before_it_is_saved(run, after, result):
    helpers = """
def accuracy(net, loader):
    SEEN.append("evaluated")
    net.eval()
    for x, y in loader:
        net(x).argmax(1)
    return 1
def repair(net, loader):
    optimizer = optim.SGD(net.parameters(), lr=0.5)
    net.weight.grad = torch.ones_like(net.weight)
    optimizer.step()
"""
    ran = run(*KIT, helpers, PLAIN, LOOP.replace("    torch.save", f"{after}    torch.save"))
    assert weight(ran.net) == result
    assert ran.seen == [SIZES]  # evaluations are not run
    assert ran.remarks == (
        ["cell 6: torch.manual_seed(i) is left out: every run has a seed of its own"] if "seed" in after else []
    )


def test_what_cannot_be_run_is_named(run):
    after = "    mend(net, extra_loader)\n"
    helper = "def mend(net, loader):\n    net.weight.data *= 5\nextra_loader = DataLoader(ExtraDataset())"
    ran = run(*KIT, helper, PLAIN, LOOP.replace("    torch.save", f"{after}    torch.save"))
    assert weight(ran.net) == 2
    assert ran.remarks == [
        "cell 6: mend(net, extra_loader) is not run: it needs what cell 4: extra_loader = DataLoader(ExtraDataset()) makes, "
        "and DataLoader loads data"
    ]


@pytest.mark.parametrize(
    ("saving", "result"),
    [
        ("torch.save(net.state_dict(), path)", 2.0),
        ("torch.save(net, path)", 2.0),
        ("state = net.state_dict()\n    torch.save(state, path)", 2.0),
        ("torch.save({'epoch': 1, 'model': net.state_dict()}, path)", 2.0),
        ("state = {k: v * 3 for k, v in net.state_dict().items()}\n    torch.save(state, path)", 6.0),
        ("torch.save({k: v.half() for k, v in net.state_dict().items()}, path)", 2.0),
        ("torch.save(net.half().state_dict(), path)", 2.0),
        ("net.half()\n    torch.save(net.state_dict(), path)", 2.0),
        ("torch.save(copy.deepcopy(net).cpu().state_dict(), path)", 2.0),
        ("sd = net.state_dict()\n    for k in sd:\n        sd[k] = sd[k] + 1\n    torch.save(sd, path)", 3.0),
        ("save_file(net.state_dict(), path)", 2.0),
    ],
)
def test_what_is_saved_is_what_is_scored(run, saving, result):
    call = LOOP[: LOOP.index("    torch.save")] + f"    path = f'/kaggle/tmp/unlearned_checkpoint_{{i}}.pth'\n    {saving}\n"
    ran = run(*KIT, "from safetensors.torch import save_file" if "save_file" in saving else "", PLAIN, call)
    assert weight(ran.net) == result
    assert ran.remarks == []


RETURNS_A_COPY = """
def unlearning(net, retain, forget, validation):
    other = copy.deepcopy(net)
    other.weight.data.zero_()
    return other
"""


@pytest.mark.parametrize(
    ("call", "saved", "result", "careful"),
    [
        ("unlearning(net, {})", "net", 1, True),
        ("net = unlearning(net, {})", "net", 0, False),
        ("new = unlearning(net, {})", "new", 0, False),
        ("new = unlearning(net, {})", "net", 1, False),
        ("new, info = unlearning(net, {}), 3", "new", 0, False),
    ],
)
def test_the_network_that_is_saved_counts(run, call, saved, result, careful):
    loaders = "retain_loader, forget_loader, validation_loader"
    cell = LOOP.replace(f"unlearning(net, {loaders})", call.format(loaders)).replace(
        "net.state_dict(),", f"{saved}.state_dict(),"
    )
    ran = run(*KIT, RETURNS_A_COPY, cell)
    assert weight(ran.net) == result
    assert any("drops what unlearning returns" in remark for remark in ran.remarks) == careful


def test_a_call_in_the_middle_of_an_expression(run):
    cell = LOOP.replace("    unlearning(net, retain_loader, forget_loader, validation_loader)\n", "").replace(
        "net.state_dict(),", "unlearning(net, retain_loader, forget_loader, validation_loader).state_dict(),"
    )
    assert weight(run(*KIT, RETURNS_A_COPY, cell).net) == 0
    models = "models = [unlearning(copy.deepcopy(net), a, b, c) for i in range(512)]"
    assert (
        weight(run(*KIT, RETURNS_A_COPY, f"net = torchvision.models.resnet18()\na, b, c = get_dataset(64)\n{models}").net) == 0
    )


def test_what_is_done_to_the_network_before_the_call(run):
    cell = LOOP.replace("    unlearning(", "    net.weight.data += 3\n    net.bias.requires_grad = False\n    unlearning(")
    cell = cell.replace("net.to(DEVICE)", "net.weight.data.zero_()")  # before the original's weights are loaded
    ran = run(*KIT, PLAIN, cell)
    assert weight(ran.net) == 8
    assert not ran.net.bias.requires_grad


def test_a_copy_of_a_network_that_was_loaded_once(run):
    cell = """
retain_loader, forget_loader, validation_loader = get_dataset(64)
original = torchvision.models.resnet18()
original.load_state_dict(torch.load("original.pth"))
original.weight.data += 1
for i in range(512):
    model = copy.deepcopy(original)
    unlearning(model, retain_loader, forget_loader, validation_loader)
    torch.save(model.state_dict(), f"{i}.pth")
"""
    assert weight(run(*KIT, PLAIN, cell).net) == 4


def test_a_wrapped_network_is_unwrapped_as_in_the_notebook(run):
    cell = LOOP.replace("    unlearning(net,", "    model = nn.DataParallel(net)\n    unlearning(model,").replace(
        "torch.save(net.", "torch.save(model.module."
    )
    function = PLAIN.replace("net.weight", "net.module.weight")
    ran = run(*KIT, function, cell)
    assert isinstance(ran.net, nn.Linear)
    assert weight(ran.net) == 2


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
def test_seeds_at_the_top_are_left_out(run, cell):
    function = "def unlearning(net, retain, forget, validation):\n    see(drawn=float(torch.rand(1)))"
    ran = [run(*KIT, cell, function, LOOP, seed=seed) for seed in (0, 1)]
    assert ran[0].seen != ran[1].seen
    assert all("is left out: every run has a seed of its own" in remark for remark in ran[0].remarks)
    assert ran[0].remarks


def test_seeds_in_the_loop_are_left_out(run):
    function = "def unlearning(net, retain, forget, validation):\n    see(drawn=float(torch.rand(1)))"
    loop = LOOP.replace("    unlearning(", "    seed_all(i)\n    unlearning(")
    helper = "def seed_all(s):\n    torch.manual_seed(s)"
    ran = [run(*KIT, helper, function, loop, seed=seed) for seed in (0, 1)]
    assert ran[0].seen != ran[1].seen
    assert ran[0].remarks == ["cell 6: seed_all(i) is left out: every run has a seed of its own"]


def test_seeds_inside_are_kept_and_said(run):
    function = "def fix():\n    torch.manual_seed(0)\ndef unlearning(net, retain, forget, validation):\n    fix()\n    see(drawn=float(torch.rand(1)))"
    ran = [run(*KIT, function, LOOP, seed=seed) for seed in (0, 1)]
    assert ran[0].seen == ran[1].seen
    assert "careful: unlearning fixes random numbers by torch.manual_seed(0)" in ran[0].remarks[0]


def test_a_seed_passed_for_each_run_differs(run):
    function = "def unlearning(net, retain, forget, validation, seed):\n    torch.manual_seed(seed)\n    see(seed=seed)"
    loop = LOOP.replace("validation_loader)\n    torch", "validation_loader, seed=100 + i)\n    torch")
    seen = {run(*KIT, function, loop, seed=seed).seen[0]["seed"] for seed in (1, 513, 1025)}
    assert len(seen) == 3


# --- what the text of a notebook may look like


def test_files_that_cells_write(run):
    cell = "%%writefile helpers_in_cell.py\nfrom more_in_cell import TWO\ndef scale(net):\n    net.weight.data *= TWO\n"
    function = "from helpers_in_cell import scale\ndef unlearning(net, retain, forget, validation):\n    scale(net)"
    assert weight(run(*KIT, cell, "%%writefile more_in_cell.py\nTWO = 2\n", function, LOOP).net) == 2


def test_modules_in_a_folder_that_the_notebook_puts_on_the_path(run, tmp_path):
    (tmp_path.parent / f"{tmp_path.name}_lib" / "sub").mkdir(parents=True)
    folder = tmp_path.parent / f"{tmp_path.name}_lib"
    (folder / "far_helpers.py").write_text("from sub.deep import THREE\n")
    (folder / "sub" / "deep.py").write_text("THREE = 3\n")
    function = "from far_helpers import THREE\ndef unlearning(net, retain, forget, validation):\n    net.weight.data *= THREE"
    ran = run(*KIT, f"import sys\nsys.path.append('../{folder.name}')", function, LOOP)
    assert weight(ran.net) == 3


def test_a_notebook_of_format_3_and_one_with_a_byte_order_mark(write, tmp_path):
    code = [
        {"cell_type": "code", "language": "python", "input": ["def unlearning(net, retain, forget, val):\n", "    return 3"]}
    ]
    old = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": code}]}
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(old), encoding="utf-8-sig")
    file, _ = extraction.write(path, [], None, tmp_path / "out")
    assert loading.load(file).unlearning(0, 0, 0, 0) == 3


def test_magics(run):
    cells = (
        "!pip install -q \\\n    timm \\\n    einops\n%matplotlib inline\n%time FACTOR = 3",
        "%%capture output\n%%time\nOFFSET = 1\n!nvidia-smi",
        "def unlearning(net, retain, forget, validation):\n    !date\n    net.weight.data *= FACTOR\n    net.weight.data += OFFSET\n?print\nnet??",
        "%%bash\nrm -rf /",
    )
    ran = run(*KIT, *cells)
    assert weight(ran.net) == 4
    assert ran.remarks == []


# --- which binding counts


def test_the_last_binding_before_the_call_counts(run):
    function = "def unlearning(net, retain, forget, validation):\n    see(rate=RATE, device=DEVICE)"
    cells = (
        *KIT,
        "RATE = 1",
        function,
        "RATE = 2",
        LOOP,
        "RATE = 3\nimport torch\nDEVICE = next(net.parameters()).device\nRATE = torch.load('x')",
    )
    assert run(*cells).seen == [{"rate": 2, "device": "cpu"}]


def test_a_device_that_is_read_off_a_network(run):
    function = "def unlearning(net, retain, forget, validation):\n    see(device=DEVICE)"
    cell = "model = torch.load('model.pt')\nDEVICE = next(model.parameters()).device"
    assert str(run(*KIT, function, cell, LOOP).seen[0]["device"]) == "cpu"


@pytest.mark.parametrize(
    "cell",
    [
        "weights = torch.ones(3)\nfor c in range(3):\n    weights[c] = c",
        "weights = []\nfor c in range(3):\n    weights.append(c)\nweights = torch.tensor(weights)",
        "weights = torch.ones(3)\nwith torch.no_grad():\n    for c, w in enumerate((0, 1, 2)):\n        weights[c] = w",
        "weights = torch.zeros(3)\nc = 0\nwhile c < 3:\n    weights[c] += c\n    c += 1",
        "d = {}\ntry:\n    d.update(a=1)\nexcept KeyError:\n    pass\nif d:\n    d['b'] = 2\nweights = torch.tensor([0, *d.values()])",
        "def fill(w):\n    for c in range(3):\n        w[c] = c\nweights = torch.ones(3)\nfill(weights)",
    ],
)
def test_blocks_that_fill_a_constant_are_kept(run, cell):
    function = "def unlearning(net, retain, forget, validation):\n    see(weights=[float(w) for w in weights])"
    later = "for c in train_set:\n    weights[c] = 9"
    assert run(*KIT, cell, function, LOOP, later).seen == [{"weights": [0, 1, 2]}]


@pytest.mark.parametrize(
    "use", ["np.random.shuffle(losses)", "torch.save(m, 'x')", "torch.backends.cudnn.benchmark = True", "os.makedirs(d)"]
)
def test_uses_of_a_module_drag_nothing_in(run, use):
    cell = "losses = m = d = torch.load('losses.pt')"
    function = PLAIN.replace("see(", "np.float32(1), os.getpid(), see(")
    assert run(*KIT, cell, use, function, LOOP, use).seen == [SIZES]
