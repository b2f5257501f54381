"""What of a notebook is not executed, or not as it is there, is said."""

from shapes import KIT, LOOP, PLAIN, SIZES, run, weight


def test_an_attempt_before_with_another_definition_is_not_run(tmp_path):
    first = "def unlearning(net, retain, forget, validation):\n    see(attempt=1)\n    net.weight.data.zero_()\n    return net"
    trial = "retain_loader, forget_loader, validation_loader = get_dataset(64)\nnet = torchvision.models.resnet18()\n"
    ran = run(
        tmp_path, *KIT, first, f"{trial}net = unlearning(net, retain_loader, forget_loader, validation_loader)", PLAIN, LOOP
    )
    assert ran.seen == [SIZES]
    assert weight(ran.net) == 2


def test_loaders_of_one_function_that_differ_are_named(tmp_path):
    made = """
def get_dataset(batch_size):
    made = {}
    for split in ("retain", "forget", "validation"):
        size = batch_size // 2 if split == "forget" else batch_size
        made[split] = DataLoader(HiddenDataset(split), batch_size=size, shuffle=True)
    return made["retain"], made["forget"], made["validation"]
"""
    ran = run(tmp_path, *KIT, made, PLAIN, LOOP)
    assert ran.seen == [SIZES]
    assert any("how this makes forget_loader is not known" in remark for remark in ran.remarks)


def test_a_network_that_is_not_loaded_anew_is_said(tmp_path):
    once = LOOP.replace('    net.load_state_dict(torch.load("/kaggle/input/original_model.pth"))\n', "")
    ran = run(tmp_path, *KIT, PLAIN, once)
    assert any("goes on with the net of the run before" in remark for remark in ran.remarks)
    assert not run(tmp_path, *KIT, PLAIN, LOOP).remarks
    helper = "def reset(net):\n    net.load_state_dict(torch.load('/kaggle/input/original_model.pth'))"
    anew = once.replace("    unlearning(", "    reset(net)\n    unlearning(")
    assert not any("of the run before" in remark for remark in run(tmp_path, *KIT, PLAIN, helper, anew).remarks)


def test_a_branch_that_is_not_taken_is_said(tmp_path):
    other = PLAIN.replace("def unlearning", "def another")
    call = "unlearning(net, retain_loader, forget_loader, validation_loader)"
    both = LOOP.replace(f"    {call}", f"    if i < 266:\n        {call}\n    else:\n        another{call[10:]}")
    ran = run(tmp_path, *KIT, PLAIN, other, both)
    assert any("is taken to hold; what is done otherwise is not run" in remark for remark in ran.remarks)


def test_constants_of_own_modules_are_set(tmp_path):
    (tmp_path / "own_method.py").write_text("FACTOR = 2\ndef change(net):\n    net.weight.data.mul_(FACTOR)\n")
    function = (
        "import own_method\nown_method.FACTOR = 5\ndef unlearning(net, retain, forget, validation):\n    own_method.change(net)"
    )
    ran = run(tmp_path, *KIT, function, LOOP)
    assert (weight(ran.net), ran.remarks) == (5, [])
