"""What of a notebook changes a network or a setting without binding it is executed, however it is written."""

import pytest

from shapes import KIT, LOOP, PLAIN, run, weight
from starting_kit.errors import InputError

CALL = "    unlearning(net, retain_loader, forget_loader, validation_loader)\n"
UNLEARNING = "def unlearning(net, retain_loader, forget_loader, val_loader):\n    "
HELPERS = "from functools import partial\ndef double(m):\n    for p in m.parameters(recurse=False):\n        p.data *= 2"


def seen(tmp_path, *cells, value="value"):
    """What a notebook's function sees of a value that these cells make."""
    ran = run(tmp_path, *KIT, *cells, f"{UNLEARNING}see(value={value})", LOOP)
    assert ran.remarks == []
    return ran.seen[-1]["value"]


@pytest.mark.parametrize(
    "change",
    [
        "[p.data.mul_(2) for p in net.parameters()]",
        "_ = [p.data.mul_(2) for p in net.parameters()]",
        "all(p.data.mul_(2) is None for p in net.parameters())",
        "list(map(lambda p: p.data.mul_(2), net.parameters()))",
        "list(map(double, [net]))",
        "[setattr(p, 'data', p.data * 2) for p in net.parameters()]",
        "setattr(net, 'weight', nn.Parameter(net.weight * 2))",
        "tasks = [lambda: net.apply(double)]; tasks[0]()",
        "task = partial(double, net); task()",
        "tasks = []; tasks.append(lambda: double(net)); [task() for task in tasks]",
        "parts = []; parts.append(net.weight); parts[0].data.mul_(2)",
        "vars(net)['_parameters']['weight'].data.mul_(2)",
        "print((w := net.weight).shape); w.data.mul_(2)",
        "weights: dict = net.state_dict(); [w.mul_(2) for w in weights.values()]",
    ],
)
def test_changes_between_the_call_and_the_checkpoint(tmp_path, change):
    ran = run(tmp_path, *KIT, HELPERS, PLAIN, LOOP.replace(CALL, f"{CALL}    {change}\n"))
    assert (weight(ran.net), ran.remarks) == (4, [])


@pytest.mark.parametrize(
    "cell",
    [
        "class value: lr = 1\nfor k, v in {'lr': 3}.items():\n    setattr(value, k, v)",
        "class value: lr = 1\nsetattr(value, 'lr', 3)",
        "class value: lr = 1\nobject.__setattr__(v := value(), 'lr', 3)\nvalue = v",
        "from types import SimpleNamespace\nvalue = SimpleNamespace(lr=1)\nvars(value).update(lr=3)",
        "from types import SimpleNamespace\nvalue = SimpleNamespace(lr=1)\nvalue.__dict__['lr'] = 3",
        "class Own:\n    def set(self, lr):\n        self.lr = lr\n        return 1\nvalue = Own()\ndone = value.set(3)",
        "class value: lr = 1\nsetters = {'lr': lambda v: setattr(value, 'lr', v)}\nsetters['lr'](3)",
    ],
)
def test_settings_that_are_set_by_way_of_functions(tmp_path, cell):
    assert seen(tmp_path, cell, value="value.lr") == 3


@pytest.mark.parametrize(
    ("cell", "result"),
    [
        ("value = []\n_ = [value.append(n) for n in 'ab']", ["a", "b"]),
        ("value = []\n[value.append(n) for n in 'ab']", ["a", "b"]),
        ("value = {}\ndone = list(map(lambda q: q.update(m=1), [value]))", {"m": 1}),
        ("value = {'a': 1, 'b': 2}\na = value.pop('a')", {"b": 2}),
        ("value = {'a': {}}\nopt = value.setdefault('a', {})\nopt['b'] = 2", {"a": {"b": 2}}),
        ("def fill(into, *names):\n    into.extend(names)\nvalue = []\nfill(value, 'a')", ["a"]),
        ("inner = {'a': 1}\nvalue = {'inner': inner}\ninner['a'] = 3", {"inner": {"a": 3}}),
        ("def make(c):\n    return lambda: c\nc = {}\nf = make(c)\nc['a'] = 3\nvalue = f()", {"a": 3}),
        ("value = [2]\n_ = value.append(1) or value.sort()", [1, 2]),
    ],
)
def test_constants_that_are_changed(tmp_path, cell, result):
    assert seen(tmp_path, cell) == result


@pytest.mark.parametrize("change", ["random.shuffle(value)", "np.random.shuffle(value)"])
def test_a_list_that_is_shuffled(tmp_path, change):
    value = seen(tmp_path, f"value = list(range(50))\n{change}")
    assert sorted(value) == list(range(50)) != value


def test_arrays_and_tensors_that_are_changed_in_place(tmp_path):
    assert seen(tmp_path, "w = torch.zeros(2)\nnn.init.ones_(w)", value="w.sum().item()") == 2
    assert seen(tmp_path, "w = torch.zeros(2)\nw2 = w.add_(1)", value="w.sum().item()") == 2


@pytest.mark.parametrize(
    "cell",
    [
        "globals()['value'] = 3",
        "value = 1\nglobals()['value'] = 3",
        "value = 1\nglobals().update(value=3)",
        "value = 1\nfor k, v in {'value': 3}.items():\n    globals()[k] = v",
        "value = 1\ndef override(**given):\n    globals().update(given)\noverride(value=3)",
    ],
)
def test_names_that_are_put_into_globals(tmp_path, cell):
    assert seen(tmp_path, cell) == 3


@pytest.mark.parametrize(
    "cell",
    [
        "os.environ['LR_OF_MINE'] = '3'",
        "os.environ.update(LR_OF_MINE='3')",
        "os.environ.setdefault('LR_OF_MINE', '3')",
        "for k, v in {'LR_OF_MINE': '3'}.items():\n    os.environ[k] = v",
        "def configure():\n    os.environ['LR_OF_MINE'] = '3'\nconfigure()",
    ],
)
def test_what_is_put_into_the_environment(tmp_path, monkeypatch, cell):
    monkeypatch.setenv("LR_OF_MINE", "0")  # so that it is gone afterwards
    monkeypatch.delenv("LR_OF_MINE")
    assert seen(tmp_path, cell, value="os.environ['LR_OF_MINE']") == "3"
    monkeypatch.delenv("LR_OF_MINE")
    assert seen(tmp_path, cell, value="os.getenv('LR_OF_MINE', 1)") == "3"


def test_what_is_put_into_the_environment_and_not_read_is_not_executed(tmp_path):
    cell = "os.environ['LR_OF_MINE'] = '3'\nos.environ['KEY_OF_MINE'] = 1 / 0"
    assert seen(tmp_path, cell, value="os.environ.get('OTHER_OF_MINE')") is None
    assert seen(tmp_path, cell, value="3") == 3


@pytest.mark.parametrize(
    ("cell", "result"),
    [
        ("value = 2\nvalue *= 3", 6),
        ("value = {'a': 1}\nvalue |= {'b': 2}", {"a": 1, "b": 2}),
        ("value = [1]\nvalue += [2]", [1, 2]),
        ("value = 1\nfor factor in (2, 3):\n    value *= factor", 6),
        ("class value:\n    rate = 1\n    rate += 1\nvalue = value.rate", 2),
    ],
)
def test_augmented_assignments(tmp_path, cell, result):
    assert seen(tmp_path, cell) == result


def test_augmented_assignments_in_the_run(tmp_path):
    loop = LOOP.replace("for i in", "value = 2\nvalue *= 3\nfor i in")
    assert run(tmp_path, *KIT, f"{UNLEARNING}see(value=value)", loop).seen == [{"value": 6}]


def test_a_walrus_binds(tmp_path):
    assert seen(tmp_path, "if (n := len('abc')) > 2:\n    value = n") == 3
    assert seen(tmp_path, "if (value := len('abc')) > 5:\n    value = 0") == 3
    assert seen(tmp_path, "print(n := 3)\nif n > 2:\n    value = n\nelse:\n    value = 1 / 0") == 3


@pytest.mark.parametrize(
    "cell",
    [
        "class CFG: on = False\nsetattr(CFG, 'on', True)",
        "class CFG: on = False\nfor k, v in {'on': True}.items():\n    setattr(CFG, k, v)",
        "from types import SimpleNamespace\nCFG = SimpleNamespace(on=False)\nvars(CFG).update(on=True)",
        "from types import SimpleNamespace\nCFG = SimpleNamespace(on=False)\nalias = CFG\nalias.on = True",
        "from types import SimpleNamespace\nCFG = SimpleNamespace(on=False)\nfor c in [CFG]:\n    c.on = True",
        "from types import SimpleNamespace\nCFG = SimpleNamespace(on=0)\nCFG.on += 1",
        "from types import SimpleNamespace\nCFG = SimpleNamespace(on=False)\n_ = [*map(lambda c: vars(c).update(on=1), [CFG])]",
    ],
)
def test_guards_go_by_what_has_been_changed(tmp_path, cell):
    assert seen(tmp_path, cell, "if CFG.on:\n    value = 3\nelse:\n    value = 1") == 3


def test_factories_train_nothing_when_they_are_called(tmp_path):
    factory = f"""
def make(settings):
    def train_one(net):
        net(torch.ones(1, 2)).sum().backward()
        Sgd(net.parameters(), lr=1).step()
    {UNLEARNING.replace("unlearning(", "inner(")}    train_one(net)
        see(settings=settings)
        return net
    return inner
settings = {{'lr': 1}}
unlearning = make(settings)
settings['lr'] = 3
"""
    loop = LOOP.replace(CALL, CALL.replace("unlearning(", "net = unlearning("))
    ran = run(tmp_path, *KIT, factory, loop)
    assert (weight(ran.net), ran.seen, ran.remarks) == (0, [{"settings": {"lr": 3}}], [])


def test_what_a_factory_executes_is_refused(tmp_path):
    factory = f"""
def make():
    def start():
        loss.backward()
    start()
    {UNLEARNING.replace("unlearning(", "inner(")}    pass
    return inner
unlearning = make()
"""
    with pytest.raises(InputError, match=r"what cell 4: unlearning = make\(\) makes, and loss.backward trains"):
        run(tmp_path, *KIT, factory, LOOP)


def test_what_nothing_binds_is_said_plainly(tmp_path):
    with pytest.raises(InputError, match=r"unlearning needs missing, which nothing in the notebook binds\.$"):
        run(tmp_path, *KIT, "value = missing + 1", f"{UNLEARNING}see(value=value)", LOOP)


@pytest.mark.parametrize(
    "cell",
    [
        "LR = 1\nread = lambda: LR\nLR = 3",
        "LR = 1\ndef make():\n    def inner():\n        return LR\n    return inner\nread = make()\nLR = 3",
        "LR = 1\nclass Reader:\n    def __call__(self):\n        return LR\nread = Reader()\nLR = 3",
        "from functools import partial\nLR = 1\ndef get(x):\n    return LR\nread = partial(get, 1)\nLR = 3",
        "LR = 1\ndef get():\n    return LR\nread = {'a': get}.get('a')\nLR = 3",
    ],
)
def test_what_a_function_reads_is_what_it_is_when_it_is_called(tmp_path, cell):
    assert seen(tmp_path, cell, value="read()") == 3


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rates1", "setattr(rates1, 'RATES', {'lr': 3})"),
        ("rates2", "for k, v in {'RATES': {'lr': 3}}.items():\n    setattr(rates2, k, v)"),
        ("rates3", "rates3.RATES['lr'] = 3"),
        ("rates4", "rates4.RATES.update(lr=3)"),
        ("rates5", "vars(rates5).update(RATES={'lr': 3})"),
    ],
)
def test_settings_of_own_modules(tmp_path, name, change):
    (tmp_path / f"{name}.py").write_text("RATES = {'lr': 1}\ndef rate():\n    return RATES['lr']\n")
    assert seen(tmp_path, f"import {name}\n{change}", value=f"{name}.rate()") == 3
