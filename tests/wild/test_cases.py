"""The small inputs that once failed, as they were handed to the project; each stands for a kind that `test_wild.py` has more of."""

import copy
import shutil

import pytest
import torch

from attempts import attempt, copy_of, distance, start
from conftest import PROJECT
from starting_kit import contract, runner
from starting_kit.errors import RunError
from starting_kit.kaggle.checkpoints import loaded
from starting_kit.unwrapping import unwrapped

CASES = PROJECT.parent / "shared" / "cases"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CASES.is_dir(), reason="the cases lie beside the project, in shared/cases"),
]


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """Try a case out in a copy of its folder."""
    folder = tmp_path / "cases"

    def run(name):
        shutil.copytree(CASES, folder, dirs_exist_ok=True)
        return attempt(folder / name, tmp_path, monkeypatch)

    return run


def moved(made):
    """How far each of the two models is from the original."""
    return [distance(copy_of(made.at), net) for net in made.models]


def spread(made):
    return distance(*made.models)


def descended(made, learning_rate, epochs=1, batch_size=64):
    """How far the weights come by plain descent on the retain set, the root of the mean square."""
    net, data = copy_of(made.at), made.at.data
    before = copy.deepcopy(net)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(
            torch.from_numpy(data.images[data.retain]), torch.from_numpy(data.labels[data.retain]).long()
        ),
        batch_size=batch_size,
        shuffle=True,
    )
    net.train()
    optimiser = torch.optim.SGD(net.parameters(), learning_rate)
    for _ in range(epochs):
        for images, labels in loader:
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(images), labels).backward()
            optimiser.step()
    return length(before, net)


def length(one, other):
    return sum(((a - b) ** 2).sum().item() for a, b in zip(one.parameters(), other.parameters(), strict=True)) ** 0.5


@pytest.mark.parametrize("name", ["01_seed_at_top", "01b_np_seed_at_top"])
def test_a_seed_at_the_top_is_left_out_with_a_note(tried, name):
    made = tried(f"{name}.ipynb")
    assert "left out: every run has a seed of its own" in " ".join(made.said)
    assert spread(made) > 1e-4


@pytest.mark.parametrize(
    "name",
    [
        "02_np_random_shuffle_after.ipynb",
        "03_torch_save_after.ipynb",
        "04_import_again_later.ipynb",
        "05_constant_bound_again_later.ipynb",
        "06_loop_fills_a_constant.ipynb",
        "07_kwargs.ipynb",
        "10_batches_constant.ipynb",
        "11_num_workers_slow.py",
        "12_num_workers_own_dataset.py",
        "18_two_batch_dry_call.py",
        "19_argparse.py",
        "nb_01_nbformat3.ipynb",
        "nb_11_tqdm_notebook.ipynb",
        "nb_25_magic_continuation.ipynb",
    ],
)
def test_is_scored(tried, name):
    made = tried(name)
    assert min(moved(made)) > 1e-4
    assert spread(made) > 1e-5


def test_a_loop_that_fills_a_constant_has_run(tried):
    tried("06_loop_fills_a_constant.ipynb")  # it asserts so itself


def test_batches_are_as_large_as_those_of_its_own_loaders(tried):
    made = tried("08_batch_size.ipynb")
    assert not made.said
    expected = [descended(made, 0.01, batch_size=size) for size in (64, 256)]
    assert abs(length(copy_of(made.at), made.models[0]) - expected[1]) < abs(expected[0] - expected[1]) / 2


def test_what_is_saved_is_the_network_that_its_loop_saves(tried):
    made = tried("09_returns_a_copy_loop_saves_net.ipynb")
    assert moved(made) == [0, 0]


@pytest.mark.parametrize(("name", "learning_rate", "epochs"), [("07_kwargs", 0.05, 1), ("nb_13_star_args_call", 0.5, 3)])
def test_values_are_those_of_its_own_call(tried, name, learning_rate, epochs):
    made = tried(f"{name}.ipynb")
    as_called, by_default = descended(made, learning_rate, epochs), descended(made, 0.01)
    assert abs(length(copy_of(made.at), made.models[0]) - as_called) < (as_called - by_default) / 2


def test_arguments_are_those_of_its_own_call(tried):
    tried("nb_16_order_swapped.ipynb")  # it asserts so itself


def test_what_is_done_after_the_call_is_done(tried):
    made = tried("nb_19_helper_and_postprocess.ipynb")
    assert spread(made) > 0.1 * 2**0.5  # noise of deviation 0.1, in two models


def test_changed_layers_count(tried):
    made = tried("13_lockstep_drops_changed_layers.py")
    assert "ReLU became Identity" in made.objection
    assert not any(isinstance(layer, torch.nn.ReLU) for net in made.models for layer in net.modules())


def test_a_file_belongs_to_its_call(tried, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tried("14_best_checkpoint_file.py")
    assert not list(tmp_path.rglob("best.pt"))


def test_a_quantised_network_is_scored_by_its_outputs_or_refused_in_one_sentence(tried):
    made = tried("16_quantized.py")
    assert "Linear became Linear" in made.objection or "Linear" in made.objection
    assert min(moved(made)) > 0


def test_a_byte_order_mark_is_no_obstacle(tried):
    assert moved(tried("17_bom.py")) == [0, 0]


def test_what_is_submitted_is_the_network_inside(tmp_path):
    solution = contract.describe(CASES / "20_dataparallel_submit.py", ())
    assert loaded
    assert unwrapped
    assert runner
    assert solution


def test_a_changed_helper_makes_other_models(tried, tmp_path):
    made = tried("21_dynamic_import/dynamic.py")
    assert min(moved(made)) > 1e-3
    helper = tmp_path / "cases" / "21_dynamic_import" / "lib" / "helpers.py"
    helper.write_text(helper.read_text().replace("lr=1.0", "lr=0.001"))
    with pytest.raises(RunError, match="edited"):
        pass


def test_files_with_names_of_ours_are_the_authors(tried):
    tried("21_dynamic_import/uses_clashing_names.py")  # it asserts so itself
