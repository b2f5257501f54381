"""Which solutions may run in lockstep. The ones that may not are written so that they would pass a careless proof."""

import dataclasses

import pytest
import torch

from conftest import PLAIN
from starting_kit import contract, tasks
from starting_kit.lockstep.proof import objection

TASK = dataclasses.replace(tasks.find("digits"), unlearned_at_once=4)
DATA = TASK.load()

REPAIR = """
def unlearning(net, retain_loader, forget_loader, val_loader):
    {before}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    net.train()
    for epoch in range(4):
        for images, labels in retain_loader:
            {change}
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(images), labels)
            loss.backward()
            {step}
            optimizer.step()
        {after}
    return net
"""


def repair(before="pass", change="pass", step="pass", after="pass"):
    return "import random, copy, numpy as np, torch\n" + REPAIR.format(before=before, change=change, step=step, after=after)


@pytest.fixture
def objection_to(original, write_solution):
    def find(source):
        path = write_solution(source, whole=True) if isinstance(source, str) else source
        solution = contract.describe(path, [])
        return objection(solution, original, TASK, DATA, "dict" if path.stem == "plain_l1_sparse" else "tuple")

    return find


@pytest.mark.parametrize("name", ["finetune", pytest.param("scl", marks=pytest.mark.slow), "scl_improved", "original"])
def test_solutions_of_the_zoo_may(objection_to, name):
    assert objection_to(contract.find(name)) is None


@pytest.mark.parametrize("name", ["plain_neggrad_plus", "plain_l1_sparse", "plain_label_poison"])
def test_plain_solutions_may(objection_to, name):
    assert objection_to(PLAIN / f"{name}.py") is None


BY_NAME = "from torch import bernoulli, equal, full_like, rand_like, randn, randperm\nfrom torch.nn import init\n"

MAY = {
    "nothing special": repair(),
    "draws by imported names": BY_NAME
    + repair(
        "[w.data.mul_(bernoulli(full_like(w, 0.8))).add_(0.1 * rand_like(w)) for w in net.parameters()]; "
        "[init.kaiming_uniform_(w) for w in net.parameters() if w.dim() == 2]",
        change="images, labels = images + 0.1 * randn(images.shape), labels[randperm(len(labels))]",
    ),
    "clipping element by element": repair(step="torch.nn.utils.clip_grad_value_(net.parameters(), 0.01)"),
    "new weights for the last layers": repair(
        "[m.reset_parameters() for m in list(net.modules())[-6:] if list(m.parameters())]"
    ),
    "noise on weights": repair("[w.data.add_(0.1 * torch.randn_like(w)) for w in net.parameters()]"),
    "noise on images": repair(change="images = images + 0.1 * torch.randn(images.shape)"),
    "shuffled labels": repair(change="labels = labels[torch.randperm(len(labels))]"),
    "a random mask": repair("[w.data.mul_(torch.bernoulli(torch.full_like(w, 0.8))) for w in net.parameters()]"),
    "a loader of its own": repair(
        "retain_loader = torch.utils.data.DataLoader(retain_loader.dataset, 50, shuffle=True, drop_last=True)"
    ),
    "a copy is changed and returned": repair("net = copy.deepcopy(net)"),
    "a loss that is only looked at": repair(
        "seen = []", after="seen.append(loss.item()); print(float(loss), loss.tolist(), bool(loss < 0.1))"
    ),
    "Adam, which reads its own step count": repair().replace(
        "SGD(net.parameters(), lr=0.05, momentum=0.9)", "Adam(net.parameters())"
    ),
    "a number that is the same for every model": repair(
        "classes = int(net(next(iter(val_loader))[0]).shape[1] * torch.ones(1))"
    ),
}


@pytest.mark.parametrize("source", MAY.values(), ids=MAY)
def test_these_may(objection_to, source):
    assert objection_to(source) is None


DIFFERENT = "three models at once do not get the weights that each gets alone"
BY_CHANCE = "it decides by numbers about all models together"


MAY_NOT = {
    "clipping by the norm of all gradients": (
        repair(step="torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)"),
        DIFFERENT,
    ),
    "early stopping at a pooled loss": (repair(after="if loss.item() < 0.5: break"), DIFFERENT),
    "early stopping at a loss that only the right labels reach": (repair(after="if loss.item() < 0.1: break"), DIFFERENT),
    "early stopping when it gets worse": (
        repair("best = 1e9", after="best, worse = min(best, loss.item()), loss.item() > best\n        if worse: break"),
        DIFFERENT,
    ),
    "a sum over examples": (repair(step="[w.grad.mul_(len(images) / 64) for w in net.parameters()]"), DIFFERENT),
    "a quantile of all weights": (
        repair("[w.data.mul_(w.abs() > w.abs().quantile(0.1)) for w in net.parameters() if w.dim() > 1]"),
        DIFFERENT,
    ),
    "numpy's generator": (repair(step="optimizer.param_groups[0]['lr'] = np.random.rand()"), DIFFERENT),
    "Python's generator": (repair(change="if random.random() < 0.5: continue"), DIFFERENT),
    "one number for all": (repair(change="images = images * torch.rand(1)"), DIFFERENT),
    "a constant number of numbers": (repair(change="images = images * torch.rand(96).mean()"), DIFFERENT),
    "a coin that falls the same way for all three": (
        repair("learning_rate = 0.05 if random.random() < 2 else 0.1"),
        "it draws random numbers once for all models",
    ),
    "an epoch chosen by a pooled loss, the same for all three": (
        repair("states = []", after="states.append((round(float(loss) / 99), epoch, copy.deepcopy(net.state_dict())))").replace(
            "return net", "net.load_state_dict(min(states, key=lambda state: state[:2])[2])"
        ),
        BY_CHANCE,
    ),
    "an epoch chosen by the distance of two numbers": (
        repair("states = []", after="states.append((abs(loss.item() - 1e-9), epoch, copy.deepcopy(net.state_dict())))").replace(
            "return net", "net.load_state_dict(max(states, key=lambda state: state[:2])[2])"
        ),
        (BY_CHANCE, DIFFERENT),  # whether the three choose the same epoch depends on the network, and so on the machine
    ),
    "a condition that none of the three meets": (repair(after="if loss > 99: break"), BY_CHANCE),
    "an array that decides": (
        repair(after="if np.asarray(loss.detach()).mean() > 99: break"),
        BY_CHANCE,
    ),
    "a schedule that looks at the loss": (
        repair(
            "schedule = None",
            after="schedule = schedule or torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1); "
            "schedule.step(loss.detach())",
        ),
        BY_CHANCE,
    ),
    "two tensors that are never equal": (repair(after="if torch.equal(loss, torch.zeros_like(loss)): break"), BY_CHANCE),
    "the same by an imported name": (BY_NAME + repair(after="if equal(loss, torch.zeros_like(loss)): break"), BY_CHANCE),
    "examples one by one": (
        repair("images = torch.stack([retain_loader.dataset[i][0] for i in range(9)])"),
        "three models at once fail: RunError: the examples are read one by one instead of through a loader",
    ),
    "a subset": (
        repair("retain_loader = torch.utils.data.DataLoader(torch.utils.data.Subset(retain_loader.dataset, range(30)), 10)"),
        "three models at once fail: RunError: the examples are read one by one",
    ),
    "an image of its own": (
        repair("net(torch.zeros(1, 1, 8, 8))"),
        "three models at once fail: ValueError: 1 examples are not a multiple of the 3 models",
    ),
    "a new network": (
        repair("net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))"),
        "it changes layer '0' (Normalise became Flatten), which lockstep does not carry over",
    ),
    "float32 only": (repair(change="images = images.float()"), "the trial in float64 failed: RuntimeError"),
}


@pytest.mark.parametrize(("source", "reason"), MAY_NOT.values(), ids=MAY_NOT)
def test_these_may_not(objection_to, source, reason):
    assert objection_to(source).startswith(reason)


def test_what_never_ends_on_wrong_labels_is_stopped(objection_to, monkeypatch):
    monkeypatch.setattr("starting_kit.lockstep.proof.LEAST_PATIENCE", 1.0)
    monkeypatch.setattr("starting_kit.lockstep.proof.PATIENCE", 2)  # with more, a busy machine learns wrong labels by heart
    patient = repair(after="pass").replace("for epoch in range(4)", "loss = torch.tensor(9.)\n    while loss.item() > 0.3")
    assert "was stopped after" in objection_to(patient)


def test_the_random_state_and_torch_are_left_as_they_were(objection_to):
    functions = (torch.utils.data.DataLoader.__iter__, torch.randn, torch.Tensor.normal_)
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    assert objection_to(repair()) is None
    assert torch.equal(torch.rand(2), expected)
    assert functions == (torch.utils.data.DataLoader.__iter__, torch.randn, torch.Tensor.normal_)
    assert torch.get_default_dtype() == torch.float32


def test_a_network_that_cannot_be_stacked_is_named(objection_to, original, write_solution):
    solution = contract.describe(write_solution("pass"), [])
    net = torch.nn.Sequential(original, torch.nn.Dropout())
    assert str(objection(solution, net, TASK, DATA, "tuple")).startswith("layer '1' (Dropout) cannot be computed")
