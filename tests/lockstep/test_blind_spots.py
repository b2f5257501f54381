"""Solutions that a careless proof lets into lockstep, though alone each model would get something else; and innocent ones."""

import copy
import dataclasses

import pytest
import torch

from starting_kit import contract, tasks
from starting_kit.errors import SolutionError
from starting_kit.lockstep.proof import objection
from starting_kit.networks import build
from starting_kit.runner import call_in_lockstep

TASK = dataclasses.replace(tasks.find("digits"), loader_batch_size=16, unlearned_at_once=5)
WHOLE = TASK.load()
DATA = dataclasses.replace(WHOLE, retain=WHOLE.retain[:40], forget=WHOLE.forget[:20], validation=WHOLE.validation[:20])

SOLUTION = """
import copy, random, time, numpy as np, torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

{top}

def unlearning(net, retain_loader, forget_loader, val_loader):
    {before}
    optimizer = {optimizer}
    net.train()
    for epoch in range(2):
        for images, labels in retain_loader:
            {change}
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images), labels)
            {loss}
            {step}
        {after}
    {end}
"""


def solution(
    top="",
    before="pass",
    optimizer="torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)",
    change="pass",
    loss="pass",
    step="loss.backward(); optimizer.step()",
    after="pass",
    end="return net",
):
    return SOLUTION.format(**locals())


@pytest.fixture(scope="module")
def net():
    return build(TASK, 0).eval()


@pytest.fixture
def objection_to(net, write_solution):
    def find(source):
        described = contract.describe(write_solution(source, whole=True), [])
        return objection(described, net, TASK, DATA, "tuple")

    return find


MAY = {
    "a counter at module level": solution(
        "count = 0\ndef rate():\n    global count; count += 1\n    return 0.05 / count",
        change="optimizer.param_groups[0]['lr'] = rate()",
    ),
    "a mutable default argument": solution(
        "def rate(calls=[]):\n    calls.append(1)\n    return 0.05 / len(calls)",
        change="optimizer.param_groups[0]['lr'] = rate()",
    ),
    "a schedule as long as the loader and its data set": solution(
        before="steps = 2 * len(retain_loader) + len(retain_loader.dataset) // 100",
        after="optimizer.param_groups[0]['lr'] *= 1 - epoch / steps",
    ),
    "frozen layers": solution(before="net[1].requires_grad_(False)"),
    "hooks for the time being": solution(
        before="seen = []; hook = net[3].register_forward_hook(lambda *_: seen.append(1))", end="hook.remove()"
    ),
    "momentum of batch-norm for the time being": solution(before="net[2].momentum = 0.5", end="net[2].momentum = 0.1"),
    "an average of weights": solution(
        before="average = torch.optim.swa_utils.AveragedModel(net)",
        after="average.update_parameters(net); torch.optim.swa_utils.update_bn(retain_loader, average)",
        end="return average.module",
    ),
    "autocast": solution(
        loss="\n            with torch.autocast('cpu', torch.bfloat16): loss = F.cross_entropy(net(images), labels)"
    ),
    "a scaler without a GPU": solution(
        before="scaler = torch.amp.GradScaler('cuda')",
        step="scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()",
    ),
    "time that is printed": solution(before="start = time.time()", after="print(time.time() - start)"),
    "a generator with a seed": solution(
        before="rng = np.random.default_rng(0)", change="optimizer.param_groups[0]['lr'] = 0.05 * rng.random()"
    ),
    "generators of every kind with a seed": solution(
        top="import tempfile",
        before="draws = random.Random(1).random() + np.random.RandomState(2).rand()"
        " + np.random.Generator(np.random.PCG64(3)).random() "
        "+ torch.rand(1, generator=torch.Generator().manual_seed(len(retain_loader))); tempfile.mkdtemp()",
        change="optimizer.param_groups[0]['lr'] = 0.05 * draws.item()",
    ),
    "a clock in nanoseconds that is printed": solution(before="start = time.time_ns()", after="print(time.time_ns() - start)"),
}


@pytest.mark.parametrize("source", MAY.values(), ids=MAY)
def test_these_may(objection_to, source):
    assert objection_to(source) is None


BY_CHANCE = "it decides by numbers about all models together"
BY_NUMBERS = f"{BY_CHANCE}, which by chance made no difference to three"
DIFFERENT = "three models at once do not get the weights that each gets alone"
IN_COMPANY = "5 models at once, one of them far off the others, do not get the weights that each gets alone"
FAIL = "three models at once fail: "

# A coin that falls the same way for all: what of it is drawn cannot be seen in the weights.
COINS = {
    "numpy's generator": "np.random.default_rng().random()",
    "numpy's generator, imported by name": "default_rng(None).random()",
    "numpy's old generator": "np.random.RandomState().rand()",
    "a generator on bits": "np.random.Generator(np.random.PCG64()).random()",
    "Python's generator": "random.Random().random()",
    "the system's generator": "random.SystemRandom().random()",
    "secrets": "secrets.randbelow(2)",
    "a unique id": "uuid.uuid4().int % 2",
    "bytes of the system": "os.urandom(1)[0] / 256",
    "PyTorch's generator, seeded by the system": "torch.rand(1, generator=seeded_anyhow(torch.Generator()))",
    "a generator seeded by a clock": "random.Random(time.time_ns()).random()",
    "a generator seeded by seconds": "np.random.default_rng(int(time.time())).random()",
    "a generator seeded by the seed of the run": "np.random.RandomState(torch.initial_seed()).rand()",
    "the seed of the run": "torch.initial_seed() % 2",
}
IMPORTS = """
import os, secrets, uuid
from numpy.random import default_rng
def seeded_anyhow(generator):
    generator.seed()
    return generator
"""


@pytest.mark.parametrize("coin", COINS.values(), ids=COINS)
def test_a_coin_for_all_models_is_noticed(objection_to, coin):
    found = objection_to(solution(IMPORTS, before=f"rate = 0.1 if {coin} < 2 else 0.2"))
    assert found in ("it draws random numbers once for all models, which by chance made no difference to three", BY_NUMBERS)


DIFFERENTLY = {
    "LBFGS": (
        solution(
            "def closure(net, images, labels):\n    net.zero_grad()\n    loss = F.cross_entropy(net(images), labels)\n"
            "    loss.backward()\n    return loss",
            optimizer="torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=2)",
            step="optimizer.step(lambda: closure(net, images, labels))",
        ),
        FAIL,
    ),
    "dropout": (solution(change="images = F.dropout(images, 0.1)"), DIFFERENT),
    "gradients of single examples": (
        solution(
            "from torch.func import functional_call, grad, vmap\n"
            "def loss_of(w, net, x, y):\n    return F.cross_entropy(functional_call(net, w, (x[None],)), y[None])",
            change="net.eval(); weights = {name: w.detach() for name, w in net.named_parameters()}; "
            "vmap(grad(loss_of), (None, None, 0, 0))(weights, net, images, labels); net.train()",
        ),
        FAIL,
    ),
    "a traced network": (solution(end="return torch.jit.trace(net, images)"), "it changes the network"),
    "a limit on the norm of all gradients that three do not reach": (
        solution(step="loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 30.0); optimizer.step()"),
        IN_COMPANY,
    ),
    "a limit on the loss that three do not reach": (solution(loss="loss = loss.clamp(max=50)"), IN_COMPANY),
    "hard examples that three do not have": (
        solution(change="if len(images[F.cross_entropy(net(images), labels, reduction='none') > 300]): break"),
        IN_COMPANY,
    ),
    "the same in TorchScript": (
        solution(
            "@torch.jit.script\ndef softened(loss):\n    if bool(loss > 50.0):\n        return loss * 0\n    return loss",
            loss="loss = softened(loss)",
        ),
        IN_COMPANY,
    ),
    "a size that batches of three do not have": (solution(change="if len(images) > 60: images = 0 * images"), IN_COMPANY),
    "early stopping at a validation loss": (
        solution(
            before="best = torch.tensor(1e9)",
            after="val = sum(F.cross_entropy(net(x), y) for x, y in val_loader).detach(); best = torch.minimum(best, val)\n"
            "        if val > 99 * best: break",
        ),
        BY_CHANCE,
    ),
    "a scaler that leaves out what overflows": (
        solution(
            before="scaler = torch.amp.GradScaler('cpu')",
            step="scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()",
        ),
        BY_CHANCE,
    ),
    "weights changed through numpy": (solution(end="[w.data.numpy().__imul__(0.9) for w in net.parameters()]"), BY_CHANCE),
    "a limit of time": (solution(before="start = time.time()", after="if time.time() - start > 3600: break"), BY_CHANCE),
}


@pytest.mark.parametrize(("source", "reason"), DIFFERENTLY.values(), ids=DIFFERENTLY)
def test_these_are_called_for_each_model(objection_to, source, reason):
    assert objection_to(source).startswith(reason)


CHANGES = {
    "setattr(net, '3', nn.Identity())": "layer '3' (ReLU became Identity)",
    "net.forward = lambda images: nn.Sequential.forward(net, -images)": "the network (Sequential's forward)",
    "net[3].forward = lambda images: images": "layer '3' (ReLU's forward)",
    "nn.ReLU.forward = lambda self, images: images": "layer '3' (ReLU's forward, for the whole class)",
    "net.register_forward_hook(lambda net, images, logits: 2 * logits)": "the network (Sequential's forward hooks)",
    "net[2].eps = 0.5": "layer '2' (BatchNorm2d's eps)",
    "net[0].mean = (0.0,)": "layer '0' (Normalise's mean)",
    "net.some_attribute = 3": "the network (Sequential's some_attribute)",
    "net.register_buffer('more', torch.zeros(1))": "the network (Sequential's more is new)",
    "net.append(nn.Softmax(dim=1))": "layer '14' (Softmax is new)",
    "parametrizations.spectral_norm(net[13])": "layer '13' (Linear became ParametrizedLinear)",
    "prune.random_unstructured(net[13], 'weight', 0.2)": "layer '13' (Linear's weight is gone)",
    "net[9].weight = net[6].weight": "layer '9' (BatchNorm2d's weight has another shape, or is shared with other layers)",
    "net = nn.Sequential(net)": "layer '0' (Normalise became Sequential)",
    "net = net if hasattr(net, 'members') else nn.Sequential(net)": "layer '0' (Normalise became Sequential)",
}


@pytest.mark.parametrize(("change", "what"), CHANGES.items(), ids=CHANGES)
def test_what_is_not_carried_over_is_named(objection_to, monkeypatch, change, what):
    monkeypatch.setattr(torch.nn.ReLU, "forward", torch.nn.ReLU.forward)  # is put back
    imports = "import torch\nfrom torch import nn\nfrom torch.nn.utils import parametrizations, prune\n"
    signature = "def unlearning(net, retain_loader, forget_loader, val_loader):"
    found = objection_to(f"{imports}{signature}\n    {change}\n    return net\n")
    assert found.startswith("it changes ")
    assert what in found
    assert found.endswith(", which lockstep does not carry over")


def test_what_shows_in_outputs_only_is_noticed(objection_to, monkeypatch):
    monkeypatch.setattr(torch.nn.functional, "relu", torch.nn.functional.relu)  # is put back
    source = (
        "import torch\n"
        "def unlearning(net, retain_loader, forget_loader, val_loader):\n"
        "    if hasattr(net, 'members'):\n"
        "        torch.nn.functional.relu = lambda images, inplace=False: images\n"
        "    return net\n"
    )
    assert objection_to(source) == "three models at once do not give the outputs that each gives alone"


def test_what_happens_in_earnest_only_fails(net, write_solution):
    path = write_solution("if getattr(net, 'members', 1) > 3: net[3] = torch.nn.Identity()")
    described, nets = contract.describe(path, []), [copy.deepcopy(net) for _ in range(4)]
    reason = r"architecture: layer '3' \(ReLU became Identity\), which lockstep does not carry over"
    with pytest.raises(SolutionError, match=reason):
        call_in_lockstep(described, nets, TASK, [DATA] * 4, "tuple", range(4))
