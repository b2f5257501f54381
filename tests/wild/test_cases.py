"""The small inputs that failed once, as the project got them; of each kind, `test_wild.py` has more."""

import dataclasses
import math
import shutil

import pytest
import torch
from torch import nn

from attempts import attempt, copy_of
from conftest import PROJECT
from starting_kit import contract
from starting_kit.runner import call, start_afresh

CASES = PROJECT.parent / "shared" / "cases"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CASES.is_dir(), reason="the cases lie beside the project, in shared/cases"),
    pytest.mark.filterwarnings("ignore::starting_kit.returned.SolutionWarning", "ignore::DeprecationWarning"),
]


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """Try a case out in a copy of its folder."""
    shutil.copytree(CASES, tmp_path / "cases")
    return lambda name: attempt(tmp_path / "cases" / name, tmp_path, monkeypatch)


def length(one, other):
    """Of the way between the weights of two networks."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return sum(((a - b).detach() ** 2).sum().item() for a, b in pairs) ** 0.5


def ways(made):
    """How far each of the two models has come from the original."""
    return [length(copy_of(made.at), net) for net in made.models]


DESCENT = """
import torch

def unlearning(net, retain, forget, validation, *, learning_rate=0.01, epochs=1, batch_size=64):
    optimiser = torch.optim.SGD(net.parameters(), learning_rate)
    net.train()
    for _ in range(epochs):
        for images, labels in torch.utils.data.DataLoader(retain.dataset, batch_size, shuffle=True):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(images), labels).backward()
            optimiser.step()
"""


def way_of_descent(made, folder, *settings):
    """How far plain descent on the retain set comes."""
    (folder / "descent.py").write_text(DESCENT)
    start_afresh(0)
    net = call(contract.describe(folder / "descent.py", settings), copy_of(made.at), made.at.task, made.at.data, "tuple")
    return length(copy_of(made.at), net)


def nearest(way, ways):
    return min(ways, key=lambda name: abs(math.log(ways[name] / way)))


@pytest.mark.parametrize("name", ["01_seed_at_top", "01b_np_seed_at_top"])
def test_a_seed_at_the_top_is_left_out_with_a_note(tried, name):
    made = tried(f"{name}.ipynb")
    assert "is left out: every run has a seed of its own" in " ".join(made.said)
    assert length(*made.models) > 0


@pytest.mark.parametrize(
    "name",
    [
        "02_np_random_shuffle_after.ipynb",
        "04_import_again_later.ipynb",
        "05_constant_bound_again_later.ipynb",
        "07_kwargs.ipynb",  # its call stands under `if False`
        "06_loop_fills_a_constant.ipynb",  # it asserts itself that the loop has run
        "10_batches_constant.ipynb",
        "12_num_workers_own_dataset.py",
        "14_best_checkpoint_file.py",
        "18_two_batch_dry_call.py",
        "19_argparse.py",
        "nb_01_nbformat3.ipynb",
        "nb_11_tqdm_notebook.ipynb",
        "nb_25_magic_continuation.ipynb",
    ],
)
def test_is_scored_without_a_word(tried, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    made = tried(name)
    assert not made.said
    assert min(ways(made)) > 0
    assert length(*made.models) > 0
    assert not list(tmp_path.rglob("best.pt"))  # what 14 writes belongs to its call


def test_loader_workers_are_forked(tried, tmp_path):
    path = tmp_path / "cases" / "11_num_workers_slow.py"
    path.write_text(path.read_text() + "    assert torch.multiprocessing.get_start_method() == 'fork'\n")
    assert min(ways(tried(path.name))) > 0


def test_batches_are_as_large_as_those_of_its_own_loaders(tried, tmp_path):
    made = tried("08_batch_size.ipynb")
    expected = {size: way_of_descent(made, tmp_path, f"batch_size={size}") for size in (64, 256)}
    assert nearest(ways(made)[0], expected) == 256


def test_what_is_scored_is_the_network_that_its_loop_saves(tried):
    made = tried("09_returns_a_copy_loop_saves_net.ipynb")
    assert ways(made) == [0, 0]
    assert "drops what unlearning returns; the network that it is given is scored" in " ".join(made.said)


def test_values_are_those_of_its_own_call(tried, tmp_path):
    made = tried("nb_13_star_args_call.ipynb")
    values = {"call": ["epochs=3", "learning_rate=0.5"], "defaults": []}
    expected = {source: way_of_descent(made, tmp_path, *given) for source, given in values.items()}
    assert nearest(ways(made)[0], expected) == "call"


def test_a_call_with_one_loader_for_all_says_nothing_of_the_loaders(tried):
    made = tried("03_torch_save_after.ipynb")
    (note,) = made.said
    assert note.endswith("gives loader as retain and forget data; the task's loaders are given instead")
    assert length(*made.models) > 0


def test_arguments_are_those_of_its_own_call(tried):
    assert ways(tried("nb_16_order_swapped.ipynb")) == [0, 0]  # it asserts itself that none is taken for another


def test_what_its_loop_does_after_the_call_is_done(tried, tmp_path):
    made = tried("nb_19_helper_and_postprocess.ipynb")
    noise = 0.1 * sum(weight.numel() for weight in made.models[0].parameters()) ** 0.5
    assert nearest(ways(made)[0], {"with noise": noise, "without": way_of_descent(made, tmp_path)}) == "with noise"


def test_changed_layers_count(tried):
    made = tried("13_lockstep_drops_changed_layers.py")
    assert "ReLU became Identity" in made.objection
    assert not any(isinstance(layer, nn.ReLU) for net in made.models for layer in net.modules())


def test_a_quantised_network_is_scored_by_its_outputs(tried):
    made = tried("16_quantized.py")
    assert "became" in made.objection
    images = torch.from_numpy(made.at.data.images[made.at.data.test])
    right = made.models[0](images).argmax(1).numpy() == made.at.data.labels[made.at.data.test]
    assert right.mean() > 0.5


def test_a_byte_order_mark_is_no_obstacle(tried):
    assert ways(tried("17_bom.py")) == [0, 0]


def test_a_changed_helper_makes_another_population(tried, tmp_path):
    made = tried("21_dynamic_import/dynamic.py")
    assert min(ways(made)) > 0
    helper = tmp_path / "cases" / "21_dynamic_import" / "lib" / "helpers.py"
    helper.write_text(helper.read_text().replace("lr=1.0", "lr=0.5"))
    changed = contract.describe(made.solution.path, ())
    assert dataclasses.replace(made.population, solution=changed).key != made.population.key


def test_files_with_names_of_ours_are_the_authors(tried):
    tried("21_dynamic_import/uses_clashing_names.py")  # it asserts so itself
