"""Which argument of the call is what, and what else it passes."""

import pytest

from shapes import KIT, LOOP, PLAIN, SIZES, run, weight
from starting_kit.errors import InputError

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
def test_arguments_are_what_the_call_gives(tmp_path, signature, call):
    names = "retain, forget, validation = loaders" if "*loaders" in signature else "pass"
    net = signature.replace("model", "net")
    function = (
        f"def unlearning({net}):\n    {names}\n    see(retain=retain, forget=forget, validation=validation)\n"
        f"    net.weight.data *= 2"
    )
    ran = run(tmp_path, *KIT, function, LOOP.replace("net, retain_loader, forget_loader, validation_loader)", f"{call})", 1))
    assert ran.seen == [SIZES]
    assert weight(ran.net) == 2
    assert ran.remarks == []


def test_what_the_call_gives_goes_before_what_names_say(tmp_path):
    function = PLAIN
    ran = run(tmp_path, *KIT, function, LOOP.replace("net, retain_loader, forget_loader", "net, forget_loader, retain_loader"))
    assert ran.seen == [{"retain": 8, "forget": 40, "validation": 16}]
    assert len(ran.remarks) == 2
    assert "gives forget_loader for the parameter retain_loader" in ran.remarks[0]


def test_names_without_a_call_must_not_contradict_the_order(tmp_path):
    function = "def unlearning(net, forget, retain, validation):\n    pass"
    with pytest.raises(InputError, match=r"defines unlearning\(net, forget, retain, validation\) and never calls it: put"):
        run(tmp_path, *KIT, function)


@pytest.mark.parametrize("signature", ["net, retain, forget", "net, forget, retain"])
def test_three_parameters(tmp_path, signature):
    function = f"def unlearning({signature}):\n    see(retain=retain, forget=forget, validation=16)"
    loaders = ", ".join(f"{name}_loader" for name in signature.split(", ")[1:])
    loop = LOOP.replace("retain_loader, forget_loader, validation_loader)", f"{loaders})", 1)
    assert run(tmp_path, *KIT, function, loop).seen == [SIZES]


def test_three_parameters_without_a_call(tmp_path):
    function = "def unlearning(net, retain, forget):\n    see(retain=retain, forget=forget, validation=16)"
    assert run(tmp_path, *KIT, function).seen == [SIZES]


def test_a_dictionary_of_loaders(tmp_path):
    function = "def unlearning(net, loaders):\n    see(**loaders)"
    call = "loaders = dict(retain=retain_loader, forget=forget_loader, validation=validation_loader)\nunlearning(net, loaders)"
    cells = "retain_loader, forget_loader, validation_loader = get_dataset(64)\nnet = torchvision.models.resnet18()\n"
    assert run(tmp_path, *KIT, function, cells + call).seen == [SIZES]


def test_loaders_looked_up_in_a_dictionary(tmp_path):
    data = (
        'loaders = {s: DataLoader(HiddenDataset(s), batch_size=32, shuffle=True) for s in ("retain", "forget", "validation")}\n'
    )
    call = 'net = torchvision.models.resnet18()\nunlearning(net, loaders["retain"], loaders["forget"], loaders["validation"])'
    function = PLAIN.replace("see(", "see(size=retain_loader.batch_size, ")
    assert run(tmp_path, *KIT, function, data + call).seen == [{"size": 32, **SIZES}]


# --- what else it passes


def test_values_passed_are_defaults_that_can_be_set(tmp_path):
    function = (
        "def unlearning(net, retain, forget, validation, epochs=1, lr=0.01, *, wd=0.1):\n    see(epochs=epochs, lr=lr, wd=wd)"
    )
    call = LOOP.replace("validation_loader)\n    torch", "validation_loader, 3, **params)\n    torch")
    cells = (*KIT, function, "params = dict(lr=0.5)", call)
    assert run(tmp_path, *cells).seen == [{"epochs": 3, "lr": 0.5, "wd": 0.1}]
    assert run(tmp_path, *cells, lr=0.7).seen == [{"epochs": 3, "lr": 0.7, "wd": 0.1}]


def test_values_of_a_configuration_class(tmp_path):
    function = "def unlearning(net, retain, forget, validation, lr=1):\n    see(lr=lr, size=retain.batch_size)"
    config = "class CFG:\n    lr = 0.3\n    batch_size = 32\nCFG.lr = 0.4"
    call = LOOP.replace("get_dataset(64)", "get_dataset(CFG.batch_size)").replace(
        "_loader)\n    torch", "_loader, CFG.lr)\n    torch"
    )
    assert run(tmp_path, *KIT, config, function, call).seen == [{"lr": 0.4, "size": 32}]


@pytest.mark.parametrize(
    "config",
    [
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    seed: int\n    size: int = 16\ncfg = C(0, size=32)",
        "from types import SimpleNamespace\ncfg = SimpleNamespace(size=32)",
        "class C:\n    size = 32\ncfg = C()",
        "from types import SimpleNamespace\nBS, LR = 32, 0.1\ncfg = SimpleNamespace(size=BS)",
    ],
)
def test_a_batch_size_of_a_configuration_object(tmp_path, config):
    function = PLAIN.replace("see(", "see(size=retain_loader.batch_size, ")
    ran = run(tmp_path, *KIT, config, function, LOOP.replace("get_dataset(64)", "get_dataset(cfg.size)"))
    assert (ran.seen, ran.remarks) == ([{"size": 32, **SIZES}], [])


@pytest.mark.parametrize(
    "config",
    [
        "class C:\n    size = 16\n    def __init__(self):\n        self.size = 32\ncfg = C()",
        "from dataclasses import dataclass, field\n@dataclass\nclass C:\n    size: int = field(default_factory=lambda: 32)\n"
        "    more: int = 3\n    last: int = 4\ncfg = C()",
    ],
)
def test_what_an_object_of_the_notebooks_own_making_holds_is_not_known(tmp_path, config):
    ran = run(tmp_path, *KIT, config, PLAIN, LOOP.replace("get_dataset(64)", "get_dataset(cfg.size)"))
    assert ran.seen == [SIZES]
    assert any("batch_size=cfg.size of retain_loader is not carried over" in remark for remark in ran.remarks)


def test_params_that_change_are_passed_as_they_are_then(tmp_path):
    function = "def unlearning(net, retain, forget, validation, **params):\n    see(**params)"
    params = 'params = {"lr": 1}\nparams["lr"] = 2\nparams.update(wd=3)'
    call = LOOP.replace("validation_loader)\n    torch", "validation_loader, **params)\n    torch")
    assert run(tmp_path, *KIT, function, params, call).seen == [{"lr": 2, "wd": 3}]


def test_an_optimizer_of_the_network_is_made_in_every_run(tmp_path):
    function = (
        "def unlearning(net, optimizer, retain, forget, validation):\n"
        "    see(retain=retain, forget=forget, validation=validation)\n"
    )
    function += "    net(torch.ones(1, 2)).sum().backward()\n    optimizer.step()"
    call = LOOP.replace("    unlearning(net, ", "    opt = Sgd(net.parameters(), lr=RATE)\n    unlearning(net, opt, ")
    ran = run(tmp_path, *KIT, function, "RATE = 0.25", call)
    assert ran.seen == [SIZES]
    assert weight(ran.net) == 0.75


def test_the_original_network_as_a_teacher(tmp_path):
    function = (
        "def unlearning(net, retain, forget, validation, teacher):\n    net.weight.data *= 3\n"
        "    see(teacher=float(teacher.weight[0, 0]))"
    )
    call = LOOP.replace(
        "    unlearning(net, retain_loader, forget_loader, validation_loader",
        "    teacher = copy.deepcopy(net)\n    unlearning(net, retain_loader, forget_loader, validation_loader, teacher",
    )
    ran = run(tmp_path, *KIT, function, call)
    assert ran.seen == [{"teacher": 1.0}]
    assert weight(ran.net) == 3


def test_a_value_that_cannot_be_had_is_left_out_or_refused(tmp_path):
    call = LOOP.replace("validation_loader)\n    torch", "validation_loader, weights=w)\n    torch")
    weights = 'w = torch.load("weights.pt")\n'
    function = "def unlearning(net, retain, forget, validation, weights{}):\n    see(weights=weights)"
    ran = run(tmp_path, *KIT, function.format("=None"), weights + call)
    assert ran.seen == [{"weights": None}]
    assert "unlearning is called without weights=w" in ran.remarks[0]
    with pytest.raises(InputError, match=r"unlearning needs what cell 5: w = torch.load\(.* reads a file"):
        run(tmp_path, *KIT, function.format(""), weights + call)


def test_a_loader_that_is_not_given_is_none(tmp_path):
    function = """
def unlearning(net, retain_loader, forget_loader, val_loader=3):
    see(retain=retain_loader, forget=forget_loader, validation=val_loader)
"""
    ran = run(
        tmp_path,
        *KIT,
        function,
        LOOP.replace("forget_loader, validation_loader)\n    torch", "forget_loader, None)\n    torch"),
    )
    assert ran.seen == [{"retain": 40, "forget": 8, "validation": None}]
