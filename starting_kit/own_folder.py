"""A working directory and a place for temporary files that belong to one call of a solution.

Two workers that write `best.pt` must not read each other's, so no call sees what another has written. What lies beside the
solution and belongs to it can be read by its relative path, as in the author's folder; it is a copy.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

_working_in: list[tuple[Path, Path, Path]] = []  # the folder that is removed, the working directory in it, and whose copy it is


@contextmanager
def own_folder(path: Path, names: Iterable[str]) -> Iterator[None]:
    """Work in a folder of one's own, which is removed in the end.

    Args:
        path: the solution.
        names: of files, relative to its folder; those that are there are copied.
    """
    visible = [name for name in map(os.path.normpath, names) if (path.parent / name).is_file()]
    upwards = max([1, *(Path(name).parts.count("..") for name in visible)])
    # PyTorch keeps what it compiles among temporary files: the next call needs it, too.
    user = os.getuid() if hasattr(os, "getuid") else ""
    compiled = os.environ.get("TORCHINDUCTOR_CACHE_DIR", str(Path(tempfile.gettempdir(), f"torchinductor_{user}")))
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="call-", ignore_cleanup_errors=True) as folder:
        root = Path(folder).resolve()
        work = root.joinpath(*["up"] * (upwards - 1), "work")
        work.mkdir(parents=True)
        for name in visible:
            target = Path(os.path.normpath(work / name))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path.parent / name, target)
        variables = {"TMPDIR": str(root), "TORCHINDUCTOR_CACHE_DIR": compiled}
        _working_in.append((root, work, path.parent))
        try:
            os.chdir(work)
            with mock.patch.object(tempfile, "tempdir", str(root)), mock.patch.dict(os.environ, variables):
                yield
        finally:
            os.chdir(before)
            _working_in.pop()


def meant_by(name: str, folder: Path) -> Path:
    """The file or folder that a name in a solution's call means, which may be relative, or a place in the call's own folder.

    Args:
        name: of a file or folder.
        folder: of the solution.
    """
    for root, work, of_solution in _working_in:
        if of_solution == folder and Path(name).is_relative_to(root):
            name = os.path.relpath(name, work)
    return Path(os.path.normpath(folder / name))
