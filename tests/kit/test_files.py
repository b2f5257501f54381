import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import PROJECT
from starting_kit import files
from starting_kit.errors import InputError, RunError
from starting_kit.files import Arrays, DamagedFileError, identity_key, read_arrays, require_writable, write_arrays, write_json

ARRAYS: Arrays = {"numbers": np.arange(12).reshape(3, 4), "logits": np.linspace(0, 1, 5, dtype=np.float32)}


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "file.npz"
    write_arrays(path, ARRAYS)
    for arrays in (read_arrays(path), np.load(path)):
        assert arrays is not None
        for name, values in ARRAYS.items():
            np.testing.assert_array_equal(arrays[name], values)
            assert arrays[name].dtype == values.dtype
    assert [file.name for file in path.parent.iterdir()] == ["file.npz"]


def test_a_missing_file_is_no_damage(tmp_path):
    assert read_arrays(tmp_path / "file.npz") is None


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "append"])
def test_damage_is_noticed_wherever_it_is(tmp_path, damage):
    path = tmp_path / "file.npz"
    write_arrays(path, ARRAYS)
    content = path.read_bytes()
    for position in range(0, len(content), 7):
        damaged = {
            "flip": content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :],
            "truncate": content[:position],
            "empty": b"",
            "append": content + bytes(position + 1),
        }[damage]
        path.write_bytes(damaged)
        with pytest.raises(DamagedFileError):
            read_arrays(path)


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "file.npz"
    write_arrays(path, ARRAYS)
    program = f"""
import sys; sys.path.insert(0, {str(PROJECT)!r})
import numpy as np
from pathlib import Path
from starting_kit.files import write_arrays
write_arrays(Path({str(path)!r}), {{"large": np.zeros(10**6)}})
"""

    def limit_file_size():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, 10**5))

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, preexec_fn=limit_file_size)
    assert "cannot be written: File too large. What was finished before is kept." in run.stderr.splitlines()[-1]
    kept = read_arrays(path)
    assert kept is not None
    np.testing.assert_array_equal(kept["numbers"], ARRAYS["numbers"])
    assert [file.name for file in tmp_path.iterdir()] == ["file.npz"]


def test_json_refuses_what_is_no_json(tmp_path):
    write_json(tmp_path / "a.json", {"score": 0.1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"score": 0.1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"score": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"score": 0.1}


def test_a_folder_that_cannot_be_written_to_is_found_out_early(tmp_path):
    require_writable(tmp_path / "new" / "folder", "--results")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"choose a folder with --results"):
        require_writable(tmp_path / "file" / "folder", "--results")
    with pytest.raises(RunError, match="cannot be written"):
        write_json(tmp_path / "file" / "a.json", {})


def test_keys_follow_content_not_order():
    assert identity_key({"a": 1, "b": 2}) == identity_key({"b": 2, "a": 1}) != identity_key({"a": 1, "b": 3})


def test_devices_pipes_and_links_stay_what_they_are(tmp_path):
    files.write_bytes(Path("/dev/null"), b"nothing")
    assert Path("/dev/null").is_char_device()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write_bytes(pipe, b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    for content in (b"first", b"second"):  # there is no target at first
        files.write_bytes(link, content)
        assert link.is_symlink()
        assert target.read_bytes() == content


def test_an_open_stream_gets_more(tmp_path):
    """Also where a shell has sent it to a file: what it has and what follows stay."""
    command = "import sys, pathlib; from starting_kit.files import write_bytes as w; print('before', flush=True); "
    command += "w(pathlib.Path('/dev/stdout'), b'table\\n'); print('after')"
    with (tmp_path / "out").open("a") as out:
        subprocess.run([sys.executable, "-c", command], stdout=out, check=True, cwd=PROJECT)
    assert (tmp_path / "out").read_text() == "before\ntable\nafter\n"
