"""Where code seeds the global generators."""

import pytest

from starting_kit.seeds import fixing, seeding_at_top, seeding_inside

HELPER = """
import random, os
import numpy as np
import torch as th
def fix(seed):
    random.seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
    np.random.seed(seed)
    th.cuda.manual_seed_all(seed)
def start():
    fix(0)
"""


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ntorch.manual_seed(0)",
        "import torch as th\nth.random.manual_seed(seed=0)",
        "from torch import manual_seed as ms\nms(0)",
        "from numpy import random as npr\nnpr.seed(0)",
        "import numpy\n_ = numpy.random.seed(1)",
        "import torch.cuda as tc\ntc.manual_seed_all(3)",
        "from random import seed\nseed(5)",
        "import torch\nseed = torch.manual_seed\nseed(0)",
        "import pytorch_lightning as pl\npl.seed_everything(1, workers=True)",
        "from transformers import set_seed\nset_seed(42)",
        "from utils import *\nfix_random_seeds()",
        "import torch\nif torch.cuda.is_available():\n    torch.cuda.manual_seed(0)",
        "import torch\nfor s in (1, 2):\n    torch.manual_seed(s)",
        "import torch\ntry:\n    pass\nexcept OSError:\n    torch.manual_seed(1)",
        "import torch\ngenerator = torch.manual_seed(0)",
        "import torch\nclass Config:\n    generator = torch.manual_seed(0)",
        f"{HELPER}fix(3)",
        f"{HELPER}start()",
        f"{HELPER}def main():\n    start()\nmain()",
    ],
)
def test_what_seeds_at_the_top_is_found(text):
    assert [line for _, line in seeding_at_top(text)] == [
        text.split("\n")[-1].strip().partition(" = ")[2] or text.split("\n")[-1].strip()
    ]


@pytest.mark.parametrize(
    "text",
    [
        HELPER,
        "import torch\ngenerator = torch.Generator().manual_seed(0)",
        "import numpy as np\nrng = np.random.default_rng(0)",
        "import numpy as np\nnp.random.seed()\nnp.random.seed(None)",
        "import random, time\nrandom.seed(time.time())",
        "import torch\ntorch.manual_seed(torch.initial_seed() + 1)",
        "environment.seed(0)\nself.set_seed(3)",
        "seed = 3\nset_lr(seed)\nseeds = [seed]\nfix_model(seed)",
        "import torch\nif __name__ == '__main__':\n    torch.manual_seed(0)",
        "import torch\ndef f(g=torch.Generator()):\n    torch.manual_seed(0)",
    ],
)
def test_what_does_not_seed_at_the_top_is_not(text):
    assert seeding_at_top(text) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("import torch\ndef unlearning(net):\n    torch.manual_seed(0)", [3]),
        (f"{HELPER}def unlearning(net):\n    start()", [6, 8, 9]),
        (
            "import torch\nclass Loop:\n    def run(self):\n        torch.manual_seed(0)\ndef unlearning(n):\n    Loop().run()",
            [4],
        ),
        ("from utils import set_seed\ndef unlearning(net, seed=3):\n    set_seed(seed)", [3]),
        ("import numpy as np\nrng = np.random.default_rng(7)\ndef unlearning(net):\n    rng.shuffle(net)", [2]),
        ("import torch\ndef unlearning(net):\n    g = torch.Generator()\n    g.manual_seed(2)", [4]),
        ("import torch\ndef step(n):\n    torch.manual_seed(1)\nunlearning = lambda net: step(net)", [3]),
        ("import torch\ntorch.manual_seed(0)\ndef unlearning(net):\n    pass", []),
        ("import torch\ndef other():\n    torch.manual_seed(0)\ndef unlearning(net):\n    return torch.rand(3)", []),
        ("import numpy as np, torch\ndef unlearning(net):\n    np.random.seed(torch.initial_seed() % 2**32)", []),
    ],
)
def test_what_seeds_inside_the_function_is_found(text, lines):
    assert [line for line, _ in seeding_inside(text)] == lines


def test_calls_that_call_each_other_end():
    text = "def a():\n    b()\ndef b():\n    a()\na()\ndef unlearning(net):\n    a()"
    assert seeding_at_top(text) == seeding_inside(text) == []


RUN = "import random, time\nimport numpy as np\nimport torch\n"


@pytest.mark.parametrize(
    ("text", "inside", "at_top"),
    [
        ("def unlearning(net, seed=0):\n    torch.manual_seed(seed)", 1, 0),
        ("def unlearning(net):\n    s = int(time.time())\n    random.seed(s); torch.manual_seed(s)", 0, 0),
        ("def f(s):\n    np.random.seed(s)\ndef unlearning(net):\n    f(torch.initial_seed() % 2**32)", 0, 0),
        ("def f(s):\n    np.random.seed(s)\ndef unlearning(net):\n    s = time.time()\n    f(0)", 1, 0),
        ("def f(*, s=3):\n    np.random.seed(s)\ndef unlearning(net):\n    f(s=torch.seed())\n    f()", 0, 0),
        (
            "def f(net, seed=0):\n    g = torch.Generator().manual_seed(seed)\nruns = [3, 4]\n"
            "def unlearning(net):\n    all_runs = list(enumerate(runs))\n    i, s = all_runs[torch.initial_seed() % 2]\n"
            "    f(net, s)",
            0,
            0,
        ),
        ("rng = np.random.default_rng(1)\nG = torch.Generator().manual_seed(2)\ndef unlearning(net):\n    rng, G", 0, 2),
        ("rng = np.random.default_rng(int(time.time()))\ndef unlearning(net):\n    rng", 0, 0),
        ("step = lambda net: torch.manual_seed(2)\ndef unlearning(net):\n    step(net)", 1, 0),
    ],
)
def test_what_gives_all_runs_the_same_numbers(text, inside, at_top):
    assert tuple(map(len, fixing(RUN + text))) == (inside, at_top)
