"""What calls leave behind in their module and read again."""

import pytest

from starting_kit import contract
from starting_kit.module_state import module_state

HEAD = "\ndef unlearning(net, retain_loader, forget_loader, val_loader):\n    "
REMEMBERED = {
    "a counter": ("n = 0", "global n; n += 1; lr = 0.1 / n", ["n += 1"]),
    "a counter that is written out": ("n = 0", "global n; lr = 0.1 / (n + 1); n = n + 1", ["n = n + 1"]),
    "a counter in a helper": ("n = 0\ndef rate():\n    global n\n    n += 1\n    return 0.1 / n", "lr = rate()", ["n += 1"]),
    "what a helper reads": ("n = 0\ndef rate():\n    return 0.1 / n", "global n; lr = rate(); n = 5", ["n = 5"]),
    "what is made once": (
        "teacher = None",
        "global teacher\n    if teacher is None:\n        teacher = net",
        ["teacher = net"],
    ),
    "a cache": ("cache = {}", "if 'a' not in cache: cache['a'] = 1\n    net(cache['a'])", ["cache['a'] = 1"]),
    "a cache with keys": ("cache = dict()", "k = len(net)\n    if k not in cache:\n        cache[k] = 1", ["cache[k] = 1"]),
    "a number in a dict": ("state = {'n': 0}", "state['n'] = state.get('n') + 1", ["state['n'] = state.get('n') + 1"]),
    "a list that decides": (
        "seen: list = []",
        "seen.append(1)\n    lr = 0.1 / len(seen)",
        ["seen.append(1)"],
    ),
    "a queue": ("import collections\nq = collections.deque([1, 2])", "lr = q.popleft()", ["lr = q.popleft()"]),
    "an iterator": ("import itertools\nn = itertools.count()", "lr = 1 / next(n)", ["lr = 1 / next(n)"]),
    "a class": ("class Run:\n    n = 0", "Run.n += 1; lr = 1 / Run.n", ["Run.n += 1"]),
    "the function": ("", "unlearning.n = getattr(unlearning, 'n', 0) + 1", ["unlearning.n = getattr(unlearning, 'n', 0) + 1"]),
    "a method": ("n = 0\nclass T:\n    def run(self):\n        global n\n        n += 1", "T().run()", ["n += 1"]),
}
NOT = {
    "constants": ("LR = 0.1\nCFG = {'lr': 1}\nLAYERS = ['a']", "lr = LR * CFG['lr']\n    for name in LAYERS: net(name)"),
    "a history": ("history = []", "history.append(1); history.extend([2])"),
    "a history that is printed": ("history = []", "history.append(1); print(len(history))"),
    "local names": ("n = 0\nseen = []", "n = 1; seen = []; seen.append(n); n += 1; return len(seen)"),
    "a parameter": ("seen = []\ndef f(seen):\n    seen.append(1)\n    return len(seen)", "f([])"),
    "what is bound first": ("n = 0\ndef f():\n    return n", "global n; n = 3; f(); n += 1"),
    "what is emptied first": ("seen = []", "seen.clear(); seen.append(1); return len(seen)"),
    "what is emptied in the end": ("seen = []", "seen.append(1); len(seen); seen.clear()"),
    "a setting": ("CFG = {}\nclass C: pass", "CFG['lr'] = 1; C.lr = 2; net(CFG['lr'], C.lr)"),
    "what is not used": ("n = 0\ndef f():\n    global n\n    n += 1", "pass"),
    "what is done at the top": ("n = 0\nseen = []\nfor _ in range(3):\n    n += 1\n    seen.append(n)", "net(seen, n)"),
    "modules": ("import torch", "torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark"),
    "comprehensions": ("x = []", "return [x for x in net]"),
}


@pytest.mark.parametrize(("top", "body", "found"), REMEMBERED.values(), ids=REMEMBERED)
def test_what_is_remembered(top, body, found):
    assert [text for _, text in module_state(top + HEAD + body)] == found


@pytest.mark.parametrize(("top", "body"), NOT.values(), ids=NOT)
def test_what_is_not(top, body):
    assert module_state(top + HEAD + body) == []


def test_it_is_said(write_solution):
    text = "n = 0" + HEAD + "global n; n += 1"
    (remark,) = contract.describe(write_solution(text, whole=True), []).remarks
    assert "calls of unlearning change what they read again (line 3: n += 1)" in remark
    assert "the file is loaded anew for every model" in remark


@pytest.mark.parametrize("name", contract.zoo())
def test_the_zoo_remembers_nothing(name):
    assert module_state(contract.find(name).read_text()) == []
