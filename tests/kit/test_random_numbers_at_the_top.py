"""What is drawn or seeded when a solution's files are loaded makes no two models one."""

import pytest
import torch

from folders import DATA, TASK, Write, called, called_in_lockstep, weights, write_files  # noqa: F401  # a fixture
from starting_kit import contract, runner
from starting_kit.lockstep import proof
from starting_kit.networks import build

NOISE = "import torch\ndef unlearning(net, a, b, c):\n    for w in net.parameters(): w.data += 0.1 * torch.randn_like(w)\n"
SEEDS = {
    "torch": "torch.manual_seed(42)",
    "all of them": "import random, numpy as np\nnp.random.seed(1)\nrandom.seed(1)\ntorch.manual_seed(1)",
    "in a function": "def seed_everything(s):\n    torch.manual_seed(s)\nseed_everything(0)",
    "in a helper": "import helper",
    "by drawing": "layer = torch.nn.Linear(3, 3)",
}


@pytest.mark.parametrize("top", SEEDS.values(), ids=SEEDS)
def test_what_is_drawn_or_seeded_at_the_top_changes_nothing_of_what_is_drawn_in_the_call(write: Write, top: str) -> None:
    plain = [weights(called(write(NOISE, name="plain"), seed)) for seed in (0, 1)]
    path = write(f"{NOISE}\n{top}\n", name="seeding", helper="import torch\ntorch.manual_seed(3)")
    for seed in (0, 1):
        assert torch.equal(weights(called(path, seed)), plain[seed])
    assert not torch.equal(*plain)
    together = called_in_lockstep(path, [0, 1])
    torch.testing.assert_close(torch.stack([*map(weights, together)]), torch.stack(plain))


def test_a_helper_that_seeds_when_the_call_imports_it_seeds_nothing(write: Write) -> None:
    late = NOISE.replace("c):\n", "c):\n    import helper\n")
    path = write(late, helper="import torch\ntorch.manual_seed(3)")
    assert torch.equal(weights(called(path, 5)), weights(called(write(NOISE, name="plain"), 5)))


def test_the_proof_of_lockstep_does_not_object_to_a_seed_at_the_top(write: Write) -> None:
    for path in (write(f"{NOISE}\ntorch.manual_seed(0)\ntorch.rand(30)"),):
        assert proof.objection(contract.describe(path, []), build(TASK, seed=0), TASK, DATA, "tuple") is None


def test_seeds_are_said(write: Write) -> None:
    assert contract.describe(write(NOISE), []).remarks == ()
    (at_top,) = contract.describe(write(f"import torch\ntorch.manual_seed(42)\n{NOISE}"), []).remarks
    assert at_top.startswith("mine.py seeds the random generators when it is loaded (line 2: torch.manual_seed(42))")
    (inside,) = contract.describe(write(NOISE.replace("c):\n", "c):\n    torch.manual_seed(7)\n")), []).remarks
    assert inside.startswith("WARNING: mine.py fixes random numbers inside unlearning (line 3: torch.manual_seed(7))")
    (in_helper,) = contract.describe(write(f"import helper\n{NOISE}", helper="import torch\ntorch.manual_seed(3)"), []).remarks
    assert in_helper.startswith("helper.py seeds")


def test_only_solutions_that_draw_at_the_top_are_told_apart_from_what_they_were(write: Write) -> None:
    assert not contract.describe(write(NOISE), []).draws
    assert contract.describe(write(f"{NOISE}\ntorch.rand(3)", name="draws"), []).draws
    runner.start_afresh(0)
    assert contract.describe(write(f"{NOISE}\ntorch.manual_seed(0)", name="seeds"), []).draws


def test_zoo_solutions_get_no_remarks_and_name_no_files() -> None:
    for name in ("finetune", "gkt", "sisa", "scl_improved"):
        found = contract.describe(contract.find(name), [])
        assert (found.remarks, found.files, found.draws) == ((), {}, False), name
