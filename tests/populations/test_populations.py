import dataclasses
import json
import shutil

import numpy as np
import pytest
from filelock import FileLock

from evaluation.populations import shards
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Population
from evaluation.populations.runs import Pools
from starting_kit import contract, tasks
from starting_kit.files import read_arrays
from starting_kit.tasks.data import SPLITS
from starting_kit.tasks.task import ONE_AT_A_TIME, Engine

TASK = tasks.find("digits")
DATA = TASK.load()


def silent(sentence):
    raise AssertionError(f"unexpected notice: {sentence}")


@pytest.fixture
def trained(tmp_path):
    return Population(TASK, "retrained", 0, tmp_path, TASK.engine)


def test_seeds_are_all_different_and_do_not_change(tmp_path):
    seeds = {
        Population(task, kind, master, tmp_path, TASK.engine).model_seed(model)
        for task in (TASK, dataclasses.replace(TASK, version=99), dataclasses.replace(TASK, name="other"))
        for kind in ("original", "retrained", "second_retrained", "unlearned")
        for master in (0, 1)
        for model in range(600)
    }
    assert len(seeds) == 3 * 4 * 2 * 600
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert (
        Population(dataclasses.replace(TASK, version=1), "retrained", 0, tmp_path, TASK.engine).model_seed(3)
        == 1160433831354199561
    )


def test_the_key_depends_on_everything_that_determines_the_numbers(tmp_path):
    solution = contract.describe(contract.find("finetune"), [])
    original = Population(TASK, "original", 0, tmp_path, TASK.engine)
    base = Population(TASK, "unlearned", 0, tmp_path, ONE_AT_A_TIME, solution, "tuple", original)
    other_training = {**solution.sources, "solutions/parts/training.py": ""}
    changed = [
        dataclasses.replace(base, master_seed=1),
        dataclasses.replace(base, batches="dict"),
        dataclasses.replace(base, engine=Engine("grouped", 16)),
        dataclasses.replace(base, engine=Engine("grouped", 8)),
        dataclasses.replace(base, task=dataclasses.replace(TASK, version=99)),
        dataclasses.replace(base, task=dataclasses.replace(TASK, recipe=dataclasses.replace(TASK.recipe, epochs=3))),
        dataclasses.replace(base, task=dataclasses.replace(TASK, forget="random:0.1")),
        dataclasses.replace(base, original=dataclasses.replace(original, master_seed=1)),
        dataclasses.replace(base, originals=2),
        dataclasses.replace(base, device="cuda"),
        dataclasses.replace(base, solution=contract.describe(contract.find("finetune"), ["epochs=2"])),
        dataclasses.replace(base, solution=dataclasses.replace(solution, sources=other_training)),
        Population(TASK, "retrained", 0, tmp_path, TASK.engine),
        Population(TASK, "second_retrained", 0, tmp_path, TASK.engine),
        original,
    ]
    assert len({base.key, *(population.key for population in changed)}) == 1 + len(changed)
    assert dataclasses.replace(base, runs=tmp_path / "elsewhere").key == base.key


def test_what_is_kept_of_a_population(sixteen):
    assert len(sixteen.populations) == 4
    for folder in sixteen.populations:
        identity = json.loads((folder / "population.json").read_text())
        assert folder.name.startswith(identity["kind"])
        shard = read_arrays(folder / "shard-00000.npz")
        models = len(shard["models"])
        assert models == (TASK.unlearned_at_once if identity["kind"] == "unlearned" else TASK.engine.members)
        np.testing.assert_array_equal(shard["models"], np.arange(models))
        for split in SPLITS:
            ids = getattr(DATA, split)
            np.testing.assert_array_equal(shard[f"ids_{split}"], ids)
            np.testing.assert_array_equal(shard[f"labels_{split}"], DATA.labels[ids])
            logits = shard[f"logits_{split}"]
            assert (logits.shape, logits.dtype) == ((models, len(ids), 10), np.float32)
            assert np.isfinite(logits).all()
            right = logits.argmax(axis=-1) == DATA.labels[ids]
            np.testing.assert_allclose(shard[f"accuracy_{split}"], right.mean(axis=1))
            assert len(np.unique(logits[:, 0, 0])) == models  # every model is another one


@pytest.mark.parametrize(
    ("engine", "stored"), [pytest.param(ONE_AT_A_TIME, 3, marks=pytest.mark.slow), (Engine("grouped", 16), 16)]
)
def test_a_population_grows_and_mends_without_changing(sixteen, tmp_path, engine, stored):
    """Fewer models, then more, with a damaged and a half-filled shard between: the same outputs as made at once."""

    task = dataclasses.replace(TASK, digest=sixteen.card["data"])

    def population(runs):
        original = Population(task, "original", 0, runs, TASK.engine)
        shutil.copytree(sixteen.runs / "digits-v2" / original.folder.name, original.folder)
        solution = contract.describe(contract.find("finetune"), [])
        return Population(task, "unlearned", 0, runs, engine, solution, "tuple", original)

    grown, at_once = population(tmp_path / "grown"), population(tmp_path / "at_once")
    finished, notices = [], []
    with LocalProcesses(1, notices.append) as trainers, LocalProcesses(1, notices.append) as runners:
        pools = Pools(trainers, runners)
        shards.make(at_once, 16, pools, lambda models: None, silent)
        whole = at_once.shard_path(0).read_bytes()
        shards.make(grown, 3, pools, finished.append, silent)
        assert read_arrays(grown.shard_path(0))["models"].tolist() == list(range(stored))
        shards.make(grown, 16, pools, finished.append, silent)
        assert sum(finished) == 3 + 16
        assert grown.shard_path(0).read_bytes() == whole
        grown.shard_path(0).write_bytes(whole[:1000])
        leftover = grown.folder / ".shard-00000.npz.1.tmp"
        leftover.touch()
        shards.make(grown, 16, pools, finished.append, notices.append)
    assert not leftover.exists()
    assert notices == [f"{grown.shard_path(0)} is damaged; its models are made again."]
    assert grown.shard_path(0).read_bytes() == whole
    assert shards.load(grown, 5).models == 5


def test_a_missing_shard_is_not_loaded_silently(trained):
    with pytest.raises(Exception, match="shard-00000"):
        shards.load(trained, 3)


def test_a_process_that_waits_for_its_turn_writes_nothing(trained):
    """Its half-written files would be taken for those of a killed process, and removed."""
    trained.folder.mkdir(parents=True)
    other = FileLock(trained.folder / ".lock")
    other.acquire()
    seen = []

    def its_turn(sentence):
        seen.append((sentence, [path.name for path in trained.folder.iterdir()]))
        other.release()

    with LocalProcesses(1, silent) as executor:
        shards.make(trained, 0, Pools(executor, executor), lambda finished: None, its_turn)
    assert seen == [(f"Another process is making {trained.folder.name}; waiting for it.", [".lock"])]
    assert (trained.folder / "population.json").exists()


@pytest.mark.slow
def test_few_large_networks_keep_several_workers_busy(tmp_path):
    """Each is a shard of its own, so each is a job of its own."""
    task = dataclasses.replace(TASK, unlearned_at_once=1, recipe=dataclasses.replace(TASK.recipe, epochs=1))
    population = Population(task, "retrained", 0, tmp_path, ONE_AT_A_TIME)
    with LocalProcesses(2, silent) as executor:
        shards.make(population, 3, Pools(executor, executor), lambda models: None, silent)
    assert [path.name for path in sorted(population.folder.glob("shard-*"))] == [f"shard-0000{i}.npz" for i in range(3)]
    assert shards.load(population, 3).models == 3
