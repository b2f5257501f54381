"""What a process that runs a stranger's code may do, from now on and for good: Landlock and seccomp, without root.

It may read the interpreter, the installed packages, the system's libraries and the solution's folder, and write its own folder;
it may start processes, which may do the same. It may not open internet sockets, look into other processes or signal them,
change modes and owners of files, or ask the kernel for namespaces, mounts, keys, programs and the like. What was open
before stays open.

Landlock (ABI 1 to 7) is called by number, and the filter of system calls is a raw program: a package would save little of
this, those for Landlock on PyPI are young (`landlock`, `py-landlock`), and `pyseccomp` needs libseccomp.

Sources: landlock(7), seccomp(2), and linux/landlock.h and linux/seccomp.h of Linux 6.18.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2  # of prctl(2)
PR_SET_PDEATHSIG = 1
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # system calls, the same on every processor
PATH_BENEATH, GET_VERSION = 1, 1

# Rights of Landlock, by the bit; each ABI knows the first so many.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
ALL = (1 << 16) - 1
READ = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15  # what a rule about a file, not a folder, may grant
TCP, SCOPED = 0b11, 0b11  # bind and connect (ABI 4); abstract sockets and signals (ABI 6)

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/opt", "/sys")
OF_PROC = ("self", "cpuinfo", "meminfo", "stat", "loadavg", "version", "filesystems", "sys")  # not of other processes
DEVICES = ("null", "zero", "full", "random", "urandom", "shm")  # the last for the memory that a DataLoader's workers share

# System calls of x86-64 that are refused.
SOCKET, CLONE, CLONE3, PRCTL = 41, 56, 435, 157
REFUSED = {
    "ptrace": 101,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "pidfd_getfd": 438,
    "kcmp": 312,
    "mount": 165,
    "umount2": 166,
    "move_mount": 429,
    "open_tree": 428,
    "fsopen": 430,
    "fsmount": 432,
    "mount_setattr": 442,
    "pivot_root": 155,
    "chroot": 161,
    "unshare": 272,
    "setns": 308,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "bpf": 321,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "open_by_handle_at": 304,
    "init_module": 175,
    "finit_module": 313,
    "delete_module": 176,
    "kexec_load": 246,
    "kexec_file_load": 320,
    "reboot": 169,
    "swapon": 167,
    "swapoff": 168,
    "acct": 163,
    "settimeofday": 164,
    "clock_settime": 227,
    "sethostname": 170,
    "iopl": 172,
    "ioperm": 173,
}
# Those that change modes, owners and attributes, which Landlock lets through, do nothing and say that they did: who copies a
# file copies these, too.
PRETENDED = {
    **{"chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452},
    **{"chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260},
    **{"setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199},
}
NEW_NAMESPACES = 0x7E020000  # of the flags of clone(2)
AF_UNIX = 1
X86_64, X32_BIT = 0xC000003E, 0x40000000
ALLOW, REFUSE, END = 0x7FFF0000, 0x00050000, 0x80000000  # SECCOMP_RET_ALLOW, _ERRNO, _KILL_PROCESS
LOAD, EQUAL, SET, RETURN = 0x20, 0x15, 0x45, 0x06  # of classic BPF: load a word; compare; test bits; return
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # where they lie in what a filter sees


class NoSandboxError(Exception):
    """Why there is no sandbox here, in one clause."""


def restrict(readable: Iterable[Path], writable: Iterable[Path], hidden: Sequence[Path] = ()) -> str:
    """Restrict this process, which must have one thread, and all that it starts.

    Args:
        readable: files and folders that may be read, besides the system's and the installed packages.
        writable: those that may be written as well.
        hidden: what may not be read where it lies in what may; names of files may be seen there.

    Returns:
        What restricts it now, such as "landlock 7 + seccomp".

    Raises:
        NoSandboxError: this system has no such thing, or the process has other threads.
    """
    if sys.platform != "linux":
        raise NoSandboxError(f"there is none on {platform.system()}")
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise NoSandboxError("the worker has other threads")
    _call_prctl(PR_SET_NO_NEW_PRIVS, 1)
    version = _restrict_files(dict(_rules([*readable, *_of_python(), *_of_system()], [*writable, *_devices()], hidden)))
    if platform.machine() != "x86_64":
        return f"landlock {version}, no seccomp on {platform.machine()}"
    _filter_calls()
    return f"landlock {version} + seccomp"


def _of_python() -> Iterator[Path]:
    """The interpreter and whatever can be imported, this project included."""
    yield from (Path(place) for place in (sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path) if place)


def _of_system() -> Iterator[Path]:
    yield from map(Path, SYSTEM)
    yield from (Path("/proc", name) for name in OF_PROC)


def _devices() -> Iterator[Path]:
    yield from (Path("/dev", name) for name in DEVICES)
    yield from Path("/dev").glob("nvidia*")


def _rules(readable: Iterable[Path], writable: Iterable[Path], hidden: Sequence[Path]) -> Iterator[tuple[Path, int]]:
    """Files and folders with the rights to what is in them."""
    secrets = [place.resolve() for place in hidden]
    for place in dict.fromkeys(place.resolve() for place in readable):
        yield from _without(place, secrets)
    yield from ((place.resolve(), ALL) for place in writable)


def _without(place: Path, secrets: Sequence[Path]) -> Iterator[tuple[Path, int]]:
    """A place to be read, without secrets that lie in it; names can still be listed, by which Python finds its modules."""
    if place in secrets:
        return
    if not any(secret.is_relative_to(place) for secret in secrets):
        yield place, READ
        return
    yield place, READ_DIR
    for inner in place.iterdir():
        if not inner.is_symlink():
            yield from _without(inner, secrets)


def _restrict_files(rules: Mapping[Path, int]) -> int:
    version = _syscall(CREATE_RULESET, None, 0, GET_VERSION)
    if version < 0:
        raise NoSandboxError(f"the kernel has no Landlock ({errno.errorcode.get(ctypes.get_errno(), 'unknown')})")
    handled = (1 << RIGHTS[min(version, max(RIGHTS))]) - 1
    fields = [handled, TCP, SCOPED][: 1 + (version >= 4) + (version >= 6)]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _checked(_syscall(CREATE_RULESET, attributes, len(attributes), 0))
    for place, rights in rules.items():
        with suppress(OSError):  # it is not there, or nobody may read it anyway
            _allow(ruleset, place, rights & handled)
    _checked(_syscall(RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    return version


def _allow(ruleset: int, place: Path, rights: int) -> None:
    descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        rights = rights if place.is_dir() else rights & OF_FILES
        _checked(_syscall(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0))
    finally:
        os.close(descriptor)


def _filter_calls() -> None:
    program = list(_program())
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    held = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(held)))
    _call_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(header))


def _program() -> Iterator[tuple[int, int, int, int]]:
    """Instructions: what, how many to skip if so, how many if not, operand."""
    refuse = (RETURN, 0, 0, REFUSE | errno.EPERM)
    yield LOAD, 0, 0, ARCHITECTURE
    yield EQUAL, 1, 0, X86_64
    yield RETURN, 0, 0, END
    yield LOAD, 0, 0, NUMBER
    yield SET, 0, 1, X32_BIT
    yield refuse
    for number in REFUSED.values():
        yield EQUAL, 0, 1, number
        yield refuse
    for number in PRETENDED.values():
        yield EQUAL, 0, 1, number
        yield RETURN, 0, 0, REFUSE
    yield EQUAL, 0, 1, CLONE3  # its flags lie in memory, where no filter sees them; libraries then call clone
    yield RETURN, 0, 0, REFUSE | errno.ENOSYS
    for number, test, operand, is_refused in (
        (SOCKET, EQUAL, AF_UNIX, False),
        (CLONE, SET, NEW_NAMESPACES, True),
        (PRCTL, EQUAL, PR_SET_PDEATHSIG, True),
    ):
        yield EQUAL, 0, 4, number
        yield LOAD, 0, 0, FIRST_ARGUMENT
        yield test, *((0, 1) if is_refused else (1, 0)), operand
        yield refuse
        yield RETURN, 0, 0, ALLOW
    yield RETURN, 0, 0, ALLOW


def _call_prctl(option: int, *values: int) -> None:
    given = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _checked(ctypes.CDLL(None, use_errno=True).prctl(option, *given))


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    given = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *given))


def _checked(result: int) -> int:
    if result < 0:
        raise NoSandboxError(os.strerror(ctypes.get_errno()))
    return result
