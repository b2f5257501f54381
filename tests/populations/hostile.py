"""Bodies of `unlearning` that do not end as they should, each with what is said of it."""

THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()"
DAEMON = """import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
os.wait()"""
FLOOD = "import os\nwhile True: os.write(1, b'x' * 100_000)"


def with_forward(line: str) -> str:
    """Return another network, of which this is all that it does."""
    return f"class Other(torch.nn.Module):\n    def forward(self, x):\n        {line}\nreturn Other()"


# Of the reason, a regular expression; the body begins in line 4.
HOSTILE = {
    "raises": ("raise ValueError('no')", r"ValueError: no \(mine\.py, line 4: raise ValueError\('no'\)\)"),
    "raises BaseException": ("raise BaseException('no')", r"BaseException: no \(mine\.py, line 4"),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", r"KeyboardInterrupt: no message \(mine\.py, line 4"),
    "raises GeneratorExit": ("raise GeneratorExit", r"GeneratorExit: no message \(mine\.py, line 4"),
    "raises what runs a shell when it is unpickled": (
        "class Trap(Exception):\n    def __reduce__(self): return exec, ('raise SystemExit(77)',)\nraise Trap('no')",
        r"Trap: no \(mine\.py, line 6",
    ),
    "exits": ("import os; os._exit(3)", "it ended its process, with exit code 3"),
    "exits politely": ("import sys; sys.exit(3)", r"SystemExit: 3 \(mine\.py, line 4"),
    "kills itself": ("import os; os.kill(os.getpid(), 9)", "its process was ended by the signal SIGKILL"),
    "crashes": ("import ctypes; ctypes.string_at(0)", r"ended by the signal SIGSEGV \(mine\.py, line 4\)"),
    "rings an alarm": ("import signal, time; signal.alarm(1); time.sleep(100)", "ended by the signal SIGALRM"),
    "hangs": ("while True: pass", r"it was stopped after 2 seconds \(mine\.py, line 4\)"),
    "hangs where no Python runs": ("import re; re.match(r'(a+)+$', 'a' * 50 + 'b')", r"stopped after 2 .* line 4\)"),
    "hears no signals": (
        "import signal, time\nfor s in (2, 15, 14): signal.signal(s, signal.SIG_IGN)\ntime.sleep(100)",
        r"stopped after 2 seconds \(mine\.py, line 6\)",
    ),
    "stops itself": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "it was stopped after 2 seconds"),
    "waits for input": ("input()", r"EOFError: .* \(mine\.py, line 4"),
    "closes what is open": ("import os; os.closerange(0, 4096)", "it closed its connection"),
    "prints without end": ("while True: print('x' * 100_000)", "it was stopped after 2 seconds|MemoryError"),
    "writes without end": (FLOOD, "it was stopped after 2 seconds"),
    "forks and returns twice": ("import os; os.fork()", "it left a process running"),
    "leaves a process": ("import subprocess; subprocess.Popen(['sleep', '1000'])", "it left a process running"),
    "leaves a daemon": (DAEMON, "it left a process running"),
    "leaves a thread": (THREAD, r"it left the thread Thread-\d+ .*running"),
    "answers itself": (
        "import os\nfor descriptor in range(3, 50):\n    try: os.write(descriptor, b'x' * 64)\n    except OSError: pass",
        "it closed its connection|no answer|OSError|its process was ended|stopped after 2 seconds",
    ),
    "recurses": ("f = lambda: f()\nf()", r"RecursionError: .* \(mine\.py, line 4"),
    "gives a text": ("return 'net'", "unlearning returned str"),
    "gives NaN": ("with torch.no_grad(): net[-1].bias.fill_(float('nan'))", "weights that are NaN or infinite"),
    "gives other classes": ("return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 9))", "logits instead of"),
    "aborts": ("import os; os.abort()", r"ended by the signal SIGABRT \(mine\.py, line 4\)"),
    "kills its keeper": ("import os, time; os.kill(os.getppid(), 9); time.sleep(100)", "ended by the signal SIGKILL"),
    "kills its group": ("import os; os.killpg(0, 9)", "ended by the signal SIGKILL"),
    "limits its own time": (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (0, 0))\nwhile True: pass",
        "ended by the signal SIG(XCPU|KILL)",
    ),
    "asks for more memory than there is": ("torch.empty(10**15)", r"RuntimeError: .*allocate.* \(mine\.py, line 4"),
    "opens more files than it may": ("files = [open(__file__) for _ in range(10**7)]", r"OSError: .*Too many open files"),
    "overflows the stack": (
        "import sys; sys.setrecursionlimit(10**9)\nf = lambda *a: f(*map(f, a))\nf(1)",
        "RecursionError|ended by the signal SIGSEGV|stopped after 2 seconds|MemoryError",
    ),
    "says nothing when it fails": (
        "class Mute(Exception):\n    def __str__(self): return None\nraise Mute",
        r"Mute: its message cannot be read, .* TypeError \(mine\.py, line 6",
    ),
    "raises what ends generators": ("raise StopIteration('no')", r"StopIteration: no \(mine\.py, line 4"),
    "raises a group": ("raise ExceptionGroup('both', [ValueError('no')])", r"ExceptionGroup: both"),
    "raises at every step": (
        "import sys\ndef f(*a): raise ValueError('no')\nsys.settrace(f)\nmax(net.parameters(), key=id)",
        "ValueError: no",
    ),
    "forgets all modules": ("import sys; sys.modules.clear(); raise ValueError('no')", "no"),
    "takes the weights away": ("del net[-1].weight", "weight"),
    "moves to no device": ("net.to('meta')", "meta"),
    "gives complex logits": (
        with_forward("return torch.zeros(len(x), 10, dtype=torch.complex64)"),
        "gives a tensor of complex64 instead of logits",
    ),
    "gives integer logits": (
        with_forward("return torch.zeros(len(x), 10, dtype=torch.int64)"),
        "gives a tensor of int64 instead of logits",
    ),
    "gives too few logits": (with_forward("return torch.zeros(1, 10)"), r"gives \(1, 10\) logits instead of \(360, 10\)"),
    "exits when it is evaluated": (with_forward("raise SystemExit"), r"SystemExit: no message \(mine\.py, line 6"),
    "hangs when it is evaluated": (with_forward("while True: pass"), r"it was stopped after 2 seconds \(mine\.py, line 6\)"),
    "answers at random": (with_forward("return torch.randn(len(x), 10)"), "gives other logits when it is asked again"),
    "looks at the batch": (
        with_forward("return x.float().mean() * torch.arange(10.0).expand(len(x), 10)"),
        "gives an image other logits in another batch",
    ),
}
