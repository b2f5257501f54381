"""What is done to the network before and after the call, and what of it is saved."""

import pytest
from torch import nn

from shapes import KIT, LOOP, PLAIN, SIZES, run, weight


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
def test_what_is_done_to_the_network_before_it_is_saved(tmp_path, after, result):
    helpers = """
def accuracy(net, loader):
    SEEN.append("evaluated")
    net.eval()
    for x, y in loader:
        net(x).argmax(1)
    return 1
def repair(net, loader):
    optimizer = Sgd(net.parameters(), lr=0.5)
    net.weight.grad = torch.ones_like(net.weight)
    optimizer.step()
"""
    ran = run(tmp_path, *KIT, helpers, PLAIN, LOOP.replace("    torch.save", f"{after}    torch.save"))
    assert weight(ran.net) == result
    assert ran.seen == [SIZES]  # evaluations are not run
    assert ran.remarks == (
        ["cell 6: torch.manual_seed(i) is left out: every run has a seed of its own"] if "seed" in after else []
    )


def test_what_cannot_be_run_is_named(tmp_path):
    after = "    mend(net, extra_loader)\n"
    helper = "def mend(net, loader):\n    net.weight.data *= 5\nextra_loader = DataLoader(ExtraDataset())"
    ran = run(tmp_path, *KIT, helper, PLAIN, LOOP.replace("    torch.save", f"{after}    torch.save"))
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
def test_what_is_saved_is_what_is_scored(tmp_path, saving, result):
    call = LOOP[: LOOP.index("    torch.save")] + f"    path = f'/kaggle/tmp/unlearned_checkpoint_{{i}}.pth'\n    {saving}\n"
    ran = run(tmp_path, *KIT, "from safetensors.torch import save_file" if "save_file" in saving else "", PLAIN, call)
    assert weight(ran.net) == result
    assert ran.remarks == []


RETURNS_A_COPY = """
def unlearning(net, retain, forget, validation):
    other = copy.deepcopy(net)
    other.weight.data.zero_()
    return other
"""


@pytest.mark.parametrize(
    ("call", "saved", "result", "warned"),
    [
        ("unlearning(net, {})", "net", 1, True),
        ("net = unlearning(net, {})", "net", 0, False),
        ("new = unlearning(net, {})", "new", 0, False),
        ("new = unlearning(net, {})", "net", 1, False),
        ("new, info = unlearning(net, {}), 3", "new", 0, False),
    ],
)
def test_the_network_that_is_saved_counts(tmp_path, call, saved, result, warned):
    loaders = "retain_loader, forget_loader, validation_loader"
    cell = LOOP.replace(f"unlearning(net, {loaders})", call.format(loaders)).replace(
        "net.state_dict(),", f"{saved}.state_dict(),"
    )
    ran = run(tmp_path, *KIT, RETURNS_A_COPY, cell)
    assert weight(ran.net) == result
    assert any("drops what unlearning returns" in remark for remark in ran.remarks) == warned


def test_a_call_in_the_middle_of_an_expression(tmp_path):
    cell = LOOP.replace("    unlearning(net, retain_loader, forget_loader, validation_loader)\n", "").replace(
        "net.state_dict(),", "unlearning(net, retain_loader, forget_loader, validation_loader).state_dict(),"
    )
    assert weight(run(tmp_path, *KIT, RETURNS_A_COPY, cell).net) == 0
    models = "models = [unlearning(copy.deepcopy(net), a, b, c) for i in range(512)]"
    cell = f"net = torchvision.models.resnet18()\na, b, c = get_dataset(64)\n{models}"
    assert weight(run(tmp_path, *KIT, RETURNS_A_COPY, cell).net) == 0


def test_what_is_done_to_the_network_before_the_call(tmp_path):
    cell = LOOP.replace("    unlearning(", "    net.weight.data += 3\n    net.bias.requires_grad = False\n    unlearning(")
    cell = cell.replace("net.to(DEVICE)", "net.weight.data.zero_()")  # before the original's weights are loaded
    ran = run(tmp_path, *KIT, PLAIN, cell)
    assert weight(ran.net) == 8
    assert not ran.net.bias.requires_grad


def test_a_copy_of_a_network_that_was_loaded_once(tmp_path):
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
    assert weight(run(tmp_path, *KIT, PLAIN, cell).net) == 4


def test_a_wrapped_network_is_unwrapped_as_in_the_notebook(tmp_path):
    cell = LOOP.replace("    unlearning(net,", "    model = nn.DataParallel(net)\n    unlearning(model,").replace(
        "torch.save(net.", "torch.save(model.module."
    )
    function = PLAIN.replace("net.weight", "net.module.weight")
    ran = run(tmp_path, *KIT, function, cell)
    assert isinstance(ran.net, nn.Linear)
    assert weight(ran.net) == 2
