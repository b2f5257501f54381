"""Small solutions that lack one property each: its name, the outcome, a part of what is said, and the file's text."""

from typing import NamedTuple


class Broken(NamedTuple):
    lacks: str
    outcome: str
    said: str
    text: str


SIGNATURE = "def unlearning(net, retain_loader, forget_loader, val_loader):\n"
IMPORTS = (
    "import copy, os, random, signal, socket, subprocess, sys, threading, time\n"
    "import numpy as np\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F\n\n"
)
STEPS = """\
optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
for images, labels in retain_loader:
    optimiser.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimiser.step()
"""
NOISE = "with torch.no_grad():\n    for w in net.parameters():\n        w.add_(0.01 * torch.randn_like(w))\n"


def whole(body, top=""):
    """A file, of the body of `unlearning`, and of what stands before it."""
    return f"{IMPORTS}{top}\n\n{SIGNATURE}" + "".join(f"    {line}\n" for line in body.splitlines())


HONEST = {"steps": whole(STEPS), "noise": whole(NOISE), "returns": whole(f"net = copy.deepcopy(net)\n{STEPS}return net")}

OF_FILE = (
    Broken("signature", "failure", "defines no function unlearning", "import torch\n"),
    Broken("signature", "failure", "it must take (net", "def unlearning(net, retain_loader):\n    pass\n"),
    Broken("signature", "failure", "put the parameters in the order", "def unlearning(net, forget_loader, retain_loader, val_loader):\n    pass\n"),
    Broken("signature", "failure", "'epochs' of unlearning must have a name and a default", "def unlearning(net, r, f, v, epochs):\n    pass\n"),
    Broken("signature", "failure", "is not valid Python", "def unlearning(net, retain_loader"),
    Broken("signature", "failure", "ZeroDivisionError", whole("pass", "SHARE = 1 / 0")),
    Broken("no seed inside", "weakness", "torch.manual_seed(0)", whole(f"{STEPS}torch.manual_seed(0)")),
    Broken("no seed inside", "weakness", "when the file is loaded (line 7", whole(STEPS, "torch.manual_seed(7)")),
    Broken("batches", "failure", "with either kit's batches: ValueError: no luck", whole("raise ValueError('no luck')")),
    Broken("batches", "failure", 'BATCHES = "dict"', whole(STEPS, 'BATCHES = "dict"')),
    Broken("batches", "failure", "with dicts: ", whole("for images, labels in retain_loader:\n    net(images.no)")),
)  # fmt: skip

OF_NETWORK = (
    Broken("gives a network", "failure", "returned OrderedDict", whole(f"{NOISE}return net.state_dict()")),
    Broken("gives a network", "weakness", "inside DataParallel", whole(f"{NOISE}return nn.DataParallel(net)")),
    Broken("moves the weights", "failure", "what they were", whole(f"net = copy.deepcopy(net)\n{STEPS}")),
    Broken("moves the weights", "failure", "what they were", whole("for batch in retain_loader:\n    net(batch[0])")),
    Broken("finite weights", "failure", "NaN", whole("next(net.parameters()).data.div_(0)")),
    Broken("same architecture", "failure", "weight has the shape", whole("net[-1] = nn.Linear(64, 11)")),
    Broken("same architecture", "failure", "is new", whole("net.add_module('more', nn.Linear(10, 10))")),
    Broken("same architecture", "failure", "ReLU became GELU", whole("for n, m in list(net.named_modules()):\n    if isinstance(m, nn.ReLU):\n        net.set_submodule(n, nn.GELU())")),
    Broken("same types", "failure", "float64 instead of float32", whole(f"{NOISE}net.double()")),
    Broken("same types", "failure", "meta instead of cpu", whole("net.to('meta')")),
    Broken("no hooks left", "failure", "forward hooks", whole("next(net.children()).register_forward_hook(lambda *a: None)")),
    Broken("no hooks left", "failure", "backward hooks on", whole("next(net.parameters()).register_hook(lambda g: 2 * g)")),
    Broken("requires_grad", "failure", "changed for", whole("next(net.parameters()).requires_grad_(False)")),
    Broken("gives logits", "failure", "gives a tuple", whole("net.register_forward_hook(lambda m, i, o: (o,))")),
    Broken("gives logits", "failure", "NaN or infinite", whole("for w in net.parameters():\n    w.data.div_(0)")),
    Broken("independent of the batch", "failure", "than in a batch", whole("net.register_forward_hook(lambda m, i, o: o - o.mean(dim=0))")),
    Broken("same outputs twice", "failure", "the second time", whole("net.register_forward_hook(lambda m, i, o: F.dropout(o))")),
)  # fmt: skip

COUNTED = "global calls\ncalls += 1\nwith torch.no_grad():\n    next(net.parameters()).mul_(1 + 0.1 * calls)"
OF_PROCESS = (
    Broken("same seed, same weights", "failure", "in a process of its own", whole(f"torch.manual_seed(time.time_ns())\n{NOISE}")),
    Broken("same seed, same weights", "failure", "in a process of its own", whole("next(net.parameters()).data.mul_(1 + int.from_bytes(os.urandom(2)))")),
    Broken("other seeds, other weights", "failure", "line 10: torch.manual_seed(42)", whole(f"torch.manual_seed(42)\n{STEPS}")),
    Broken("other seeds, other weights", "failure", "nothing in it is drawn", whole("next(net.parameters()).data.mul_(0.9)")),
    Broken("other seeds, other weights", "failure", "those of the original", whole("pass")),
    Broken("nothing kept between calls", "failure", "calls += 1", whole(COUNTED, "calls = 0")),
    Broken("global state as found", "failure", "the default type", whole(f"{STEPS}torch.set_default_dtype(torch.float64)")),
    Broken("global state as found", "failure", "the default type", whole(STEPS, "torch.set_default_dtype(torch.float64)")),
    Broken("global state as found", "failure", "the default device", whole(f"{STEPS}torch.set_default_device('meta')")),
    Broken("global state as found", "failure", "gradients", whole(f"{STEPS}torch.set_grad_enabled(False)")),
    Broken("global state as found", "failure", "threads", whole(f"{STEPS}torch.set_num_threads(2)")),
    Broken("global state as found", "failure", "working directory", whole(f"{STEPS}os.chdir('/')")),
    Broken("global state as found", "failure", "variable SEEN", whole(f"{STEPS}os.environ['SEEN'] = 'yes'")),
    Broken("global state as found", "failure", "SIGUSR1", whole(f"{STEPS}signal.signal(signal.SIGUSR1, signal.SIG_IGN)")),
    Broken("global state as found", "failure", "the thread left", whole(f"{STEPS}threading.Thread(target=time.sleep, args=(2,), name='left').start()")),
)  # fmt: skip

# These need a process of their own, which they spoil.
OF_OWN_PROCESS = (
    Broken("data as found", "failure", "changed the labels", whole(f"{STEPS}retain_loader.dataset.memory.labels.zero_()")),
    Broken("no hooks left", "failure", "on all networks", whole("nn.modules.module.register_module_forward_hook(lambda *a: None)")),
    Broken("libraries as found", "failure", "time.perf_counter", whole(f"{STEPS}time.perf_counter = lambda: 0.0")),
    Broken("libraries as found", "failure", "Tensor.backward", whole(f"{STEPS}torch.Tensor.backward = lambda *a: None")),
    Broken("libraries as found", "failure", "builtins.seen", whole(f"{STEPS}import builtins\nbuiltins.seen = 1")),
    Broken("files", "failure", "FOLDER/made", whole(f"{STEPS}open('FOLDER/made', 'w').close()")),
    Broken("files", "failure", "FOLDER/made", whole(f"{STEPS}torch.save(net.state_dict(), 'FOLDER/made')")),
    Broken("files", "failure", "reads ", whole(f"{STEPS}open('FOLDER/decoy').close()")),
    Broken("no network, no programs", "failure", "starts true", whole(f"{STEPS}subprocess.run(['true'])")),
    Broken("no network, no programs", "failure", "connects to 127.0.0.1", whole(f"{STEPS}socket.create_connection(('127.0.0.1', 9))")),
    Broken("no network, no programs", "failure", "connects to ", whole(f"{STEPS}socket.socket().connect_ex(('127.0.0.2', 9))")),
    Broken("completes", "failure", "exit code 3", whole("os._exit(3)")),
    Broken("completes", "failure", "SIGSEGV (broken.py, line 10)", whole("import ctypes; ctypes.string_at(0)")),
    Broken("completes", "failure", "KeyboardInterrupt: no message (broken.py, line 10", whole("raise KeyboardInterrupt")),
    Broken("nothing kept between calls", "failure", "is kept", whole(f"{NOISE}next(net.parameters()).data.mul_(nn.__dict__.get('seen', 1))\nnn.seen = 2")),
    Broken("nothing kept between calls", "failure", "twice", whole(f"if hasattr(nn, 'seen'):\n    raise ValueError('twice')\nnn.seen = 1\n{STEPS}")),
)  # fmt: skip

OF_TIME = (
    Broken("completes", "failure", "stopped after 20 seconds (broken.py, line 10)", whole("while True: pass")),
    Broken("completes", "failure", "stopped after 20 seconds", whole("os.kill(os.getpid(), signal.SIGSTOP)")),
)  # fmt: skip

EXPLODES = f"{STEPS}if torch.rand(()) < 0.3:\n    for w in net.parameters():\n        w.data.mul_(-30)"
OF_SCORE = (
    Broken("many runs", "failure", "run ", whole(f"{STEPS}assert torch.initial_seed() % 3, 'unlucky'")),
    Broken("spread", "weakness", "Too narrow", whole("next(net.parameters()).data.mul_(1 + 1e-3 * torch.rand(()))")),
    Broken("spread", "weakness", "do not differ at all", whole("next(net.parameters()).data.mul_(0.9)")),
    Broken("spread", "weakness", "Too wide", whole(NOISE.replace("0.01", "1.0"))),
    Broken("outlying runs", "weakness", "runs lie far from the others", whole(EXPLODES)),
    Broken("Kaggle", "weakness", "known to have msgspec", whole(STEPS, "import msgspec")),
    Broken("Kaggle", "weakness", "does not bring table.txt", whole(f"open('table.txt').close()\n{STEPS}")),
    Broken("lockstep", "weakness", "one model at a time: broken takes", whole(STEPS, "LOCKSTEP = False")),
)  # fmt: skip
