"""How the loaders are set up, and where the call stands."""

import pytest
import torch
from torch.utils.data import RandomSampler

from shapes import KIT, LOOP, PLAIN, SIZES, indented, run, weight

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
def test_loaders_are_set_up_as_the_notebook_does(tmp_path, made, size, sampler):
    function = PLAIN.replace("see(", "see(size=retain_loader.batch_size, order=type(retain_loader.sampler), ")
    ran = run(tmp_path, *KIT, "BS = 24", function, LOOP.replace("get_dataset(64)", made))
    assert ran.seen == [{"size": size, "order": sampler, **SIZES}]


def test_a_loader_made_in_the_call(tmp_path):
    function = PLAIN.replace("see(", "see(size=forget_loader.batch_size, dropped=forget_loader.drop_last, ")
    call = LOOP.replace(
        "net, retain_loader, forget_loader,", "net, retain_loader, DataLoader(forget_ds, 3, True, drop_last=True),"
    )
    ran = run(tmp_path, *KIT, function, "forget_ds = HiddenDataset('forget')", call)
    assert ran.seen == [{"size": 3, "dropped": True, **SIZES}]


def test_a_sampler_is_named(tmp_path):
    made = "retain_loader = DataLoader(HiddenDataset('retain'), batch_size=16, sampler=WeightedRandomSampler(w, 30))\n"
    ran = run(tmp_path, *KIT, PLAIN, LOOP.replace("net = torchv", f"{made}net = torchv"))
    assert ran.seen == [SIZES]
    assert any("sampler=WeightedRandomSampler(w, 30) of retain_loader is not carried over" in r for r in ran.remarks)


def test_a_loader_of_unknown_making_is_named(tmp_path):
    ran = run(
        tmp_path,
        *KIT,
        PLAIN,
        LOOP.replace("get_dataset(64)", "kit.loaders()").replace("retain_loader, f", "import kit\nretain_loader, f", 1),
    )
    assert ran.seen == [SIZES]
    assert ran.remarks[0].endswith("= kit.loaders(): how this makes retain_loader is not known, it is the task's")


def test_data_sets_that_functions_look_up(tmp_path):
    function = PLAIN.replace("see(", "see(looked_up=len(forget_ds), ")
    ran = run(tmp_path, *KIT, "forget_ds = HiddenDataset('forget')", function, LOOP)
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
def test_the_call_is_found_in_blocks_and_functions(tmp_path, main):
    loop = LOOP.replace("get_dataset(64)", "get_dataset(32)").replace("torch.save", "noise(net)\n    torch.save")
    noise = "def noise(net):\n    for p in net.parameters():\n        p.data += 1"
    function = PLAIN.replace("see(", "see(size=retain_loader.batch_size, ")
    ran = run(tmp_path, *KIT, function, noise, main.format(indented(loop)))
    assert ran.seen == [{"size": 32, **SIZES}]
    assert weight(ran.net) == 3
    assert ran.remarks == []


def test_a_function_for_each_run(tmp_path):
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
    function = (
        "def unlearning(net, retain, forget, validation, lr=1):\n"
        "    see(retain=retain, forget=forget, validation=validation)\n    net.weight.data *= lr\n    return net"
    )
    ran = run(tmp_path, *KIT, function, cells)
    assert ran.seen == [SIZES]
    assert weight(ran.net) == 0.5
    assert weight(run(tmp_path, *KIT, function, cells, lr=3).net) == 3
    assert ran.net.weight.dtype == torch.float16


def test_contexts_around_the_call_are_entered(tmp_path):
    function = PLAIN.replace("see(", "see(grad=torch.is_grad_enabled(), ")
    call = LOOP.replace("    unlearning(", "    with torch.no_grad():\n        unlearning(")
    assert run(tmp_path, *KIT, function, call).seen == [{"grad": False, **SIZES}]
    decorated = f"@torch.inference_mode()\ndef main():\n{indented(LOOP)}main()"
    assert run(tmp_path, *KIT, function, decorated).seen == [{"grad": False, **SIZES}]


def test_autocast_around_the_call(tmp_path):
    function = PLAIN.replace("see(", "see(on=torch.is_autocast_enabled('cpu'), ")
    call = LOOP.replace("    unlearning(", "    with torch.autocast('cpu', dtype=torch.bfloat16):\n        unlearning(")
    ran = run(tmp_path, *KIT, function, call)
    assert ran.seen == [{"on": True, **SIZES}]


def test_a_loop_that_goes_on_with_the_same_network(tmp_path):
    call = LOOP.replace("    unlearning(", "    for _ in range(3):\n        unlearning(")
    ran = run(tmp_path, *KIT, PLAIN, call)
    assert ran.seen == [SIZES] * 3
    assert weight(ran.net) == 8


@pytest.mark.parametrize(
    "members",
    [
        "members = [unlearning(copy.deepcopy(net), a, b, c) for _ in range(3)]",
        (
            "members = []\n    for _ in range(3):\n        other = copy.deepcopy(net)\n"
            "        members.append(unlearning(other, a, b, c))"
        ),
        "members = ensemble(net, a, b, c)",
    ],
)
def test_several_calls_for_one_model(tmp_path, members):
    function = "def unlearning(net, a, b, c):\n    SEEN.append(1)\n    net.weight.data += len(SEEN)\n    return net"
    helper = """
def ensemble(net, a, b, c):
    return [unlearning(copy.deepcopy(net), a, b, c) for _ in range(3)]
"""
    cell = f"""
a, b, c = get_dataset(64)
for i in range(512):
    net.load_state_dict(torch.load("original.pth"))
    {members}
    net.weight.data = sum(member.weight.data for member in members)
    torch.save(net.state_dict(), f"{{i}}.pth")
"""
    ran = run(tmp_path, *KIT, function, helper, "net = torchvision.models.resnet18()", cell)
    assert ran.seen == [1, 1, 1]
    assert weight(ran.net) == 2 + 3 + 4


def test_a_second_loop_over_checkpoints_is_named(tmp_path):
    again = (
        "for i in range(512):\n    state = torch.load(f'{i}.pth')\n"
        "    torch.save({k: v.half() for k, v in state.items()}, f'{i}.pth')"
    )
    ran = run(tmp_path, *KIT, PLAIN, LOOP, again)
    assert ran.remarks == ["WARNING: cell 6: for i in range(512): ... saves again what it loads, which is not run"]


@pytest.mark.parametrize("cell", ["nn.ReLU.forward = lambda self, x: x", "torch.set_default_dtype(torch.float64)"])
def test_what_is_set_for_the_whole_notebook_is_named(tmp_path, cell):
    ran = run(tmp_path, *KIT, cell, PLAIN, LOOP)
    assert ran.remarks == [f"WARNING: cell 4: {cell} is not run: it changes a module for the whole notebook"]


def test_two_calls_one_after_another(tmp_path):
    call = LOOP.replace(
        "    torch.save", "    unlearning(net, forget_loader, retain_loader, validation_loader)\n    torch.save"
    )
    ran = run(tmp_path, *KIT, PLAIN, call)
    assert [seen["retain"] for seen in ran.seen] == [40, 8]
    assert weight(ran.net) == 4


def test_a_call_under_another_name(tmp_path):
    ran = run(
        tmp_path,
        *KIT,
        PLAIN,
        "my_method = unlearning",
        LOOP.replace("    unlearning(", "    my_method(").replace("get_dataset(64)", "get_dataset(2)"),
    )
    assert ran.seen == [SIZES]


def test_a_call_in_a_method_is_not_followed_and_that_is_said(tmp_path):
    method = (
        "class Run:\n    def go(self):\n        unlearning(net, retain_loader, forget_loader, validation_loader)\nRun().go()"
    )
    ran = run(tmp_path, *KIT, PLAIN, method)
    assert ran.seen == [SIZES]
    assert "uses unlearning and is not followed" in ran.remarks[0]


def test_the_number_of_a_run_follows_from_its_seed(tmp_path):
    function = "def unlearning(net, retain, forget, validation, lr):\n    see(lr=lr)"
    call = LOOP.replace("validation_loader)\n    torch", "validation_loader, [1, 2, 3][i % 3])\n    torch")
    seen = [run(tmp_path, *KIT, function, call, seed=seed).seen[0]["lr"] for seed in range(3)]
    assert sorted(seen) == [1, 2, 3]


@pytest.mark.parametrize(
    ("before", "call"),
    [
        ("from functools import partial\nmethod = partial(unlearning, factor=3)", "method(net, *loaders)"),
        ("def go(method, *, factor):\n    return method(net, *loaders, factor=factor)", "go(unlearning, factor=3)"),
    ],
)
def test_the_function_under_other_names(tmp_path, before, call):
    function = "def unlearning(net, retain, forget, validation, factor=1):\n    net.weight.data *= factor"
    loop = LOOP.replace("unlearning(net, retain_loader, forget_loader, validation_loader)", call)
    ran = run(tmp_path, *KIT, function, before, "loaders = get_dataset(64)", loop)
    assert weight(ran.net) == 3
    assert ran.remarks == []


def test_a_loop_that_loads_the_original_again_is_passed_once(tmp_path):
    again = """    done = False
    while not done:
        net.load_state_dict(torch.load("original.pth"))
        unlearning(net, retain_loader, forget_loader, validation_loader)
        done = float(net.weight.sum()) > 0
"""
    loop = LOOP.replace("    unlearning(net, retain_loader, forget_loader, validation_loader)\n", again)
    ran = run(tmp_path, *KIT, PLAIN, loop)
    assert weight(ran.net) == 2
    assert ran.remarks == ["WARNING: cell 5: while not done: ... is passed through once here, not as often as in the notebook"]


def test_loaders_of_an_object_are_named(tmp_path):
    cell = """
class Data:
    def __init__(self, size):
        self.retain = DataLoader(HiddenDataset("retain"), size)
        self.forget = DataLoader(HiddenDataset("forget"), size)
data = Data(32)
"""
    loop = LOOP.replace("net, retain_loader, forget_loader", "net, data.retain, data.forget")
    ran = run(tmp_path, *KIT, PLAIN, cell, loop)
    assert ran.seen == [SIZES]
    assert [remark.partition(": how ")[2] for remark in ran.remarks] == [
        "data.retain is made is not known, it is the task's loader",
        "data.forget is made is not known, it is the task's loader",
    ]


def test_a_function_inside_the_function_that_makes_the_models(tmp_path):
    main = """
def main():
    count = 0
    def more():
        nonlocal count
        count += 1
        return count
    net = torchvision.models.resnet18()
    unlearning(net, *get_dataset(64))
    net.weight.data += more() + more()
    torch.save(net.state_dict(), "net.pth")
main()
"""
    assert weight(run(tmp_path, *KIT, PLAIN, main).net) == 5
