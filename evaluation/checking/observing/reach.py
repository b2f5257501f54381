"""What a call reads, writes, starts and connects to, by the events that Python reports of itself (`sys.addaudithook`)."""

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from evaluation.checking.observed import Reach
from evaluation.checking.observing.calls import Caller
from evaluation.checking.subject import Subject
from starting_kit.errors import SolutionError
from starting_kit.imports import PROJECT
from starting_kit.time_limit import TimeUpError, time_limit

WHILE = 10.0  # seconds of a call that are looked at
SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64", "/opt")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "shutil.rmtree"}
STARTING = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.startfile"}
INTERNET = (socket.AF_INET, socket.AF_INET6)
CONNECTING = {"socket.connect", "socket.getaddrinfo", "socket.bind"}
SHOWN = 5  # of each kind


def observe(subject: Subject) -> Reach:
    """Call it once, for some seconds at most. The hook stays, so this needs a process of its own.

    Raises:
        DataWithheldError: it reads data that it is not given.
        SolutionError: it raised, and has tried nothing that is refused.
    """
    caller = Caller(subject)
    net = caller.network()
    seen = _Seen(subject.path.parent)
    with caller.surroundings():
        function = caller.loaded(net)
        seen.own = Path(tempfile.gettempdir()).resolve()
        try:
            with seen.looking(), time_limit(WHILE):
                _until_it_ends(lambda: caller.call(function, net, caller.seeds[0]))
        except SolutionError:  # because of what was refused here, it may be
            if not seen.is_more_than_given:
                raise
    connected = seen.connected or ({"the internet"} if seen.opened else set())
    return Reach(*(sorted(places)[:SHOWN] for places in (seen.read, seen.written, seen.kept, connected, seen.started)))


def _until_it_ends(call: Callable[[], object]) -> None:
    try:
        call()
    except TimeUpError:
        return


class _Seen:
    """What has been seen.

    Args:
        folder: of the solution.

    Attributes:
        own: the folder of the call.
        read, written, kept, connected, started: as in `Reach`.
        opened: whether an internet socket, which is refused here before an address is known.
    """

    def __init__(self, folder: Path) -> None:
        installed = [sys.prefix, sys.base_prefix, *(entry for entry in sys.path if entry), str(PROJECT), *SYSTEM]
        self.readable = [Path(place).resolve() for place in installed] + [folder]
        self.own = folder
        self.read, self.written, self.kept = set[str](), set[str](), set[str]()
        self.connected, self.started = set[str](), set[str]()
        self.opened = self.is_on = False

    @property
    def is_more_than_given(self) -> bool:
        """Whether it tried to reach what it is not given."""
        return bool(self.read or self.written or self.connected or self.opened)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Note what happens; `torch.save` opens its files where Python does not see it."""
        save = torch.save

        def noted(what: Any, file: Any, *arguments: Any, **options: Any) -> None:
            if isinstance(file, str | os.PathLike):
                self.note_file(file, True)
            save(what, file, *arguments, **options)

        sys.addaudithook(self.hear)
        with mock.patch.object(torch, "save", noted):
            self.is_on = True
            try:
                yield
            finally:
                self.is_on = False

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note an event (called by Python)."""
        if not self.is_on:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = bool((flags or 0) & WRITING) or (isinstance(mode, str) and bool(set(mode) & set("wax+")))
            self.note_file(path, writes)
        elif event in CHANGING:
            for path in arguments[:2]:
                self.note_file(path, True)
        elif event in STARTING:
            self.started.add(_program(arguments))
        elif event in CONNECTING:
            self.note_address(arguments)
        elif event == "socket.__new__":
            self.opened |= arguments[1] in INTERNET

    def note_file(self, path: Any, writes: bool) -> None:
        """Note a file, unless it is one that any call may read."""
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor
        place = Path(os.path.realpath(os.fsdecode(path)))
        if place.is_relative_to(self.own):
            if writes:
                self.kept.add(str(place.relative_to(self.own)))
        elif writes and str(place) != os.devnull:
            self.written.add(str(place))
        elif not writes and not any(place.is_relative_to(readable) for readable in self.readable):
            self.read.add(str(place))

    def note_address(self, arguments: tuple[Any, ...]) -> None:
        """Note an address, unless it is one of this machine's own sockets."""
        address = arguments[-1] if isinstance(arguments[0], str | bytes) is False else arguments[:2]
        if isinstance(address, tuple):
            self.connected.add(":".join(str(part) for part in address[:2]))


def _program(arguments: tuple[Any, ...]) -> str:
    what = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], list | tuple) and arguments[1] else arguments[0]
    words = [
        os.fsdecode(word) if isinstance(word, bytes) else str(word)
        for word in ([what] if isinstance(what, str | bytes) else what)
    ]
    return " ".join(words)[:80]
