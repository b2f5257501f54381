"""Code as people write it is scored, noted or refused as it should be, one model at a time and in lockstep alike."""

import dataclasses
import re
import shutil
from pathlib import Path

import jupytext
import nbformat
import pytest
import torch

from attempts import attempt
from starting_kit.errors import InputError, RunError

HERE = Path(__file__).parent
CASES = sorted([*HERE.glob("solutions/*.py"), *HERE.glob("notebooks/*.py")])


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a case says of itself."""

    verdicts: tuple[tuple[str, tuple[str, ...]], ...]
    network: str
    lockstep: str

    @classmethod
    def of(cls, text):
        found = dict(re.findall(r"^(Verdict|Network|Lockstep): (.*)$", text, re.MULTILINE))
        verdicts = []
        for verdict in found["Verdict"].split(" or "):
            name, words = re.fullmatch(r"(scored|noted|refused)(?: \((.*)\))?", verdict).groups()
            verdicts.append((name, tuple((words or "").split())))
        return cls(tuple(verdicts), found.get("Network", "any"), found.get("Lockstep", ""))

    def require(self, verdict, said):
        """That this is the verdict, for one of the right reasons."""
        for name, words in self.verdicts:
            if name == verdict and all(word in said for word in words):
                return
        pytest.fail(f"expected {self.verdicts}, got {verdict}: {said}")


def notebook(case):
    """The notebook of a case, with the cells that it shares with others."""

    def shared(match):
        return "# %%\n" + (HERE / "kit" / f"{match[1]}.py").read_text(encoding="utf-8")

    text = re.sub(r"^# %% kit: (\w+)$", shared, case.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return jupytext.reads(text, fmt="py:percent")


def written(case, folder):
    """The file of a case as its author would have it."""
    if case.parent.name == "notebooks":
        nbformat.write(notebook(case), folder / f"{case.stem}.ipynb")
        return folder / f"{case.stem}.ipynb"
    return Path(shutil.copy(case, folder))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_gets_its_verdict_one_at_a_time_and_in_lockstep(tmp_path, monkeypatch, case):
    expected = Expected.of(case.read_text(encoding="utf-8"))
    try:
        made = attempt(written(case, tmp_path), tmp_path, monkeypatch, expected.network)
    except (InputError, RunError) as error:
        expected.require("refused", str(error))
        return
    for net in made.models:
        assert net(torch.from_numpy(made.at.data.images[:8])).shape == (8, made.at.task.classes)
    expected.require("noted" if made.said else "scored", " ".join(made.said))
    if expected.lockstep == "no":
        assert made.objection


def test_there_are_sixty_cases():
    assert len(CASES) >= 60
    assert all(Expected.of(case.read_text(encoding="utf-8")).verdicts for case in CASES)
