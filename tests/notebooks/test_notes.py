"""What a notebook does that the task's loaders and separate calls do not do is said; what does no harm is not."""

from pathlib import Path

import pytest

from shapes import DATA, DEVICE, IMPORTS, KIT, LOOP, PLAIN, run
from starting_kit import contract

READ = """
def __getitem__(self, idx):
    example = self.rows[idx]
    image = example["image"].to(torch.float32) / 255.0
    return {"image": CHANGED, "age_group": example["age_group"]}
"""


def data_of(changed, more=""):
    """The kit's data set, with something done to an image."""
    read = "".join(f"    {line}\n" for line in READ.replace("CHANGED", changed).splitlines())
    return DATA.replace("def get_dataset", f"{read}{more}def get_dataset")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("self.tf(image)", "self.tf(image)"),
        ("torchvision.transforms.functional.hflip(image)", "hflip(image)"),
        ("image + 0.1 * torch.randn_like(image)", "torch.randn_like(image)"),
        ("augmented(image)", "image.flip(-1)"),
    ],
)
def test_what_data_sets_do_to_images_is_said(tmp_path, changed, said):
    helper = "def augmented(image):\n    return image.flip(-1)\n"
    ran = run(tmp_path, IMPORTS, DEVICE, helper, data_of(changed), PLAIN, LOOP)
    (remark,) = ran.remarks
    assert remark.startswith("cell 4: what HiddenDataset does to an example (")
    assert said in remark


@pytest.mark.parametrize(
    "changed", ["image", "torch.as_tensor(image).permute(2, 0, 1)", "read_image(os.path.join(example[0].split('-')[0]))"]
)
def test_reading_an_example_is_no_change(tmp_path, changed):
    assert run(tmp_path, IMPORTS, DEVICE, data_of(changed), PLAIN, LOOP).remarks == []


def test_data_sets_of_the_method_are_executed_and_not_named(tmp_path):
    own = "class Noisy(Dataset):\n    def __getitem__(self, i):\n        return torch.rand(2) + i"
    function = "def unlearning(net, retain, forget, validation):\n    see(noisy=float(Noisy()[0][0]) >= 0)"
    ran = run(tmp_path, *KIT, own, function, LOOP)
    assert (ran.seen, ran.remarks) == ([{"noisy": True}], [])


def test_a_function_of_a_table_is_not_said_to_return_anything(tmp_path):
    table = PLAIN.replace("def unlearning", "def plain") + "METHODS = {'plain': plain}\nMETHOD = 'plain'\n"
    assert run(tmp_path, *KIT, f"{table}unlearning = METHODS[METHOD]", LOOP).remarks == []
    named = "def other(net, retain, forget, validation):\n    return copy.deepcopy(net)\nunlearning = other"
    assert any("drops what unlearning returns" in remark for remark in run(tmp_path, *KIT, named, LOOP).remarks)


def remarks_of(ran):
    return contract.describe(Path(ran.module.__file__), []).remarks


def test_what_runs_leave_behind_is_said(tmp_path):
    counter = "RUN = 0\ndef unlearning(net, retain, forget, validation):\n    global RUN\n    RUN += 1\n    see(lr=0.1 / RUN)"
    ran = run(tmp_path, *KIT, counter, LOOP)
    assert ran.seen == [{"lr": 0.1}]
    assert any(
        "calls of unlearning change what they read again" in remark and "RUN += 1" in remark for remark in remarks_of(ran)
    )


def test_a_seed_for_each_run_is_not_said_to_be_one_for_all(tmp_path):
    seeded = PLAIN.replace("val_loader):", "val_loader, seed=0):\n    g = torch.Generator().manual_seed(seed)")
    loop = LOOP.replace("for i in range(512)", "for i, s in enumerate(range(1000, 1512))").replace(
        "validation_loader)\n    t", "validation_loader, s)\n    t"
    )
    assert not any("all models draw the same" in remark for remark in remarks_of(run(tmp_path, *KIT, seeded, loop)))
    fixed = loop.replace("loader, s)", "loader, 3)")
    assert any("all models draw the same" in remark for remark in remarks_of(run(tmp_path, *KIT, seeded, fixed)))
