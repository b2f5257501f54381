"""Which of a notebook's calls is scored, and in which state its network is given."""

import pytest

from shapes import KIT, LOOP, PLAIN, SIZES, run, weight

CALL = "unlearning(net, retain_loader, forget_loader, validation_loader)"
RATES = "def unlearning(net, retain, forget, validation, factor=1):\n    net.weight.data.mul_(factor)"
FASTER = LOOP.replace("validation_loader)\n    torch", "validation_loader, factor=4)\n    torch")


@pytest.mark.parametrize(
    "later",
    [
        f"net.load_state_dict(torch.load('/kaggle/input/original_model.pth'))\n{CALL}",
        f"test_net = copy.deepcopy(net)\n{CALL.replace('net,', 'test_net,')}",
        f"for factor in (1, 2):\n    {CALL.replace('loader)', 'loader, factor)')}",
        f"def look():\n    net = torchvision.models.resnet18()\n    {CALL}\n    return net\nprint(look())",
        f"def unlearning(net, retain, forget, validation, a=1, b=2):\n    net.weight.data.zero_()\n{CALL}",
    ],
)
def test_a_look_after_the_submission_is_not_scored(tmp_path, later):
    ran = run(tmp_path, *KIT, RATES, FASTER, later)
    assert weight(ran.net) == 4
    assert any("calls unlearning after what is submitted; it is not run" in remark for remark in ran.remarks)


def test_the_last_of_two_submissions_is_scored(tmp_path):
    ran = run(tmp_path, *KIT, RATES, LOOP, FASTER)
    assert (weight(ran.net), ran.remarks) == (4, [])
    once = f"retain_loader, forget_loader, validation_loader = get_dataset(64)\n{CALL}\ntorch.save(net.state_dict(), 'm.pth')"
    ran = run(tmp_path, *KIT, RATES, once.replace("loader)\n", "loader, factor=3)\n"), f"{CALL}\nprint(net)")
    assert weight(ran.net) == 3


def test_what_the_function_saves_itself_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # nobody gives the call a folder of its own here
    function = f"{PLAIN}    torch.save(net.state_dict(), 'best.pt')\n    net.weight.data.zero_()"
    ran = run(tmp_path, *KIT, function, LOOP.partition("    torch.save")[0])
    assert weight(ran.net) == 0
    assert ran.remarks == ["what unlearning saves itself is not followed; the network after the call is scored"]
    assert run(tmp_path, *KIT, function, LOOP).remarks == []


def test_a_run_that_is_done_again_is_said(tmp_path):
    checked = LOOP.replace("    torch.save", "    if accuracy(net) < 0.9:\n        continue\n    torch.save")
    accuracy = "def accuracy(net):\n    return 1.0"
    ran = run(tmp_path, *KIT, PLAIN, accuracy, checked)
    assert weight(ran.net) == 2
    assert any("decides by what unlearning gave whether a run counts" in remark for remark in ran.remarks)
    counted = LOOP.replace("    torch.save", "    if i == 511:\n        break\n    torch.save")
    assert run(tmp_path, *KIT, PLAIN, counted).remarks == []


def test_a_loop_until_it_is_good_is_passed_through_once(tmp_path):
    body = "".join(f"    {line}\n" for line in LOOP.partition("for i in range(512):\n")[2].splitlines())
    until = body.replace("        torch.save", "        if good(net):\n            break\n    torch.save")
    loop = LOOP.partition("for i in")[0] + f"for i in range(512):\n    while True:\n{until}"
    ran = run(tmp_path, *KIT, PLAIN, "def good(net):\n    return True", loop)
    assert ran.seen == [SIZES]
    assert any("is passed through once here" in remark for remark in ran.remarks)


def test_further_arguments_come_through_a_function_that_is_given_the_method(tmp_path):
    loop = LOOP.replace("validation_loader)\n    torch", "validation_loader, **kw)\n    torch").replace(
        "unlearning(", "method("
    )
    body = "".join(f"    {line}\n" for line in loop.splitlines())
    ran = run(tmp_path, *KIT, RATES, f"def submit(method, n=512, **kw):\n{body}\nsubmit(unlearning, factor=5)")
    assert (weight(ran.net), ran.remarks) == (5, [])


@pytest.mark.parametrize(
    ("function", "before", "inside", "trains"),
    [
        ("", "", "", True),  # a new network is in training mode
        ("", "net.eval()", "", False),
        ("", "net = net.to(DEVICE).eval()", "", False),
        ("", "net.eval()\nnet.train()", "", True),
        ("", "", "net.eval()", False),
        ("", "net.eval()", "net.train()", True),
        ("", "def accuracy(net):\n    net.eval()\naccuracy(net)", "", False),
        ("net.eval()", "", "", False),  # as the run before leaves it
        ("net.eval()", "", "net = torchvision.models.resnet18()", True),
        ("net.train(False)", "", "", False),
    ],
)
def test_the_network_is_in_the_notebooks_mode(tmp_path, function, before, inside, trains):
    unlearning = f"def unlearning(net, retain, forget, validation):\n    see(trains=net.training)\n    {function or 'pass'}"
    loop = LOOP.replace("for i in", f"{before}\nfor i in").replace("    net.load", f"    {inside or 'pass'}\n    net.load")
    assert run(tmp_path, *KIT, unlearning, loop).seen == [{"trains": trains}]
