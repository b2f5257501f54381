import textwrap

import pytest
import torch

from starting_kit import contract, dry_calls, runner, tasks
from starting_kit.errors import InputError, RunError
from starting_kit.networks import build

TASK = tasks.find("digits")
DATA = TASK.load()


@pytest.fixture
def solution(tmp_path):
    def write(text, name="mine", settings=()):
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        return contract.describe(path, list(settings))

    return write


def call(solution, batches="tuple"):
    net = build(TASK, seed=0)
    return net, runner.call(solution, net, TASK, DATA, batches)


def test_the_zoo_is_found_by_name_and_files_by_path(tmp_path):
    assert set(contract.zoo()) >= {"original", "finetune", "gradient_ascent", "scl", "scl_improved"}
    assert contract.find("finetune") == contract.ZOO / "finetune.py"
    (tmp_path / "mine.py").touch()
    assert contract.find(str(tmp_path / "mine.py")) == tmp_path / "mine.py"


def test_what_is_not_found_is_said_with_the_nearest_name(tmp_path):
    with pytest.raises(InputError, match=r"no solution 'scl_improve'.*Did you mean scl_improved\?"):
        contract.find("scl_improve")
    with pytest.raises(InputError, match="given by its path"):
        contract.find("qqqqqqq")
    with pytest.raises(InputError, match=r"no file .*absent\.py"):
        contract.find(str(tmp_path / "absent.py"))
    (tmp_path / "scl.py").touch()
    with pytest.raises(InputError, match="rename it"):
        contract.find(str(tmp_path / "scl.py"))
    with pytest.raises(InputError, match="no solution 'deep_inversion'"):
        contract.find("deep_inversion")


def test_further_arguments_may_be_taken_and_are_not_given(solution):
    described = solution("def unlearning(net, retain, forget, validation, *rest, rate=1, **more): assert not rest and not more")
    assert described.hyperparameters == {"rate": 1}
    call(described)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "defines no function unlearning"),
        ("unlearning = 3", "defines no function unlearning"),
        ("def unlearning(net, retain): pass", r"defines unlearning\(net, retain\); it must take"),
        ("def unlearning(*loaders): pass", "it must take"),
        (
            "def unlearning(net, retain, forget, validation, epochs): pass",
            "'epochs' of unlearning must have a name and a default",
        ),
        (
            "def unlearning(net, retain, forget, validation, *, epochs): pass",
            "'epochs' of unlearning must have a name and a default",
        ),
        (
            "def unlearning(net, forget_loader, retain_loader, val_loader): pass",
            "in the order in which they are given: net, retain_loader, forget_loader, val_loader",
        ),
        ("def unlearning(net:", r"not valid Python: .* \(line 1\)"),
        ("import no_such_package", r"cannot be loaded: ModuleNotFoundError: .*\(mine.py, line 1"),
        ("1 / 0", r"cannot be loaded: ZeroDivisionError: division by zero \(mine.py, line 1"),
        ("raise SystemExit(3)", "cannot be loaded: SystemExit"),
        ('BATCHES = "lists"\ndef unlearning(a, b, c, d): pass', 'must be "tuple" or "dict"'),
    ],
)
def test_files_that_are_no_solutions_are_refused(solution, text, message):
    with pytest.raises(InputError, match=message):
        solution(text)


SETTABLE = """
    def unlearning(net, retain, forget, validation, *, epochs=2, rate=0.1, name="a", flag=True, anything=None): pass
"""


def test_settings_have_the_type_of_their_default(solution):
    settings = ["epochs=3", "rate=1", "name=5", "flag=false", "anything=[1, 2]"]
    described = solution(SETTABLE, settings=settings)
    assert described.overrides == {"epochs": 3, "rate": 1.0, "name": "5", "flag": False, "anything": [1, 2]}
    assert described.hyperparameters == described.overrides
    assert solution(SETTABLE, settings=["epochs=2", "rate=0.1"]).overrides == {}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "not of the form name=value"),
        ("epoch=3", r"no hyper-parameter 'epoch'; this solution has: epochs.*Did you mean epochs\?"),
        ("epochs=many", "epochs must be of type int, like 2"),
        ("epochs=1.5", "epochs must be of type int"),
        ("flag=1", "flag must be of type bool"),
    ],
)
def test_wrong_settings_are_refused(solution, setting, message):
    with pytest.raises(InputError, match=message):
        solution(SETTABLE, settings=[setting])


def test_in_place_and_returned_networks_both_count(solution):
    in_place = solution("def unlearning(net, a, b, c):\n    net[-1].bias.data.fill_(7)", name="in_place")
    returned = solution(
        """
        import copy
        def unlearning(net, a, b, c):
            net = copy.deepcopy(net)
            net[-1].bias.data.fill_(7)
            return net
        """,
        name="returned",
    )
    for described, same in ((in_place, True), (returned, False)):
        net, unlearned = call(described)
        assert (unlearned is net) is same
        assert (unlearned[-1].bias == 7).all()
        assert not unlearned.training


def test_half_precision_networks_are_brought_back(solution):
    _, unlearned = call(solution("def unlearning(net, a, b, c): return net.half()"))
    assert {p.dtype for p in unlearned.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('boom')", r"ValueError: boom \(mine.py, line 2: raise ValueError\('boom'\)\)"),
        ("next(iter(retain))['nothing']", r"TypeError: .* \(mine.py, line 2"),
        ("raise SystemExit", "SystemExit"),
        ("return 3", "returned int, it must return a network or nothing"),
        ("return net.state_dict()", "returned OrderedDict"),
        ("net[-1].bias.data.fill_(float('nan'))", "NaN or infinite in '13.bias'"),
        ("net[2].running_var.fill_(float('inf'))", "NaN or infinite in '2.running_var'"),
    ],
)
def test_what_goes_wrong_in_a_call_is_said_in_a_sentence(solution, body, message):
    with pytest.raises(RunError, match=message):
        call(solution(f"def unlearning(net, retain, forget, validation):\n    {body}"))


READS = {
    "tuple": "for images, labels in retain: net(images)",
    "dict": "for batch in retain: net(batch['image'])",
}


@pytest.mark.parametrize("batches", ["tuple", "dict"])
def test_a_dry_call_finds_out_which_batches_a_solution_reads(solution, batches):
    described = solution(f"def unlearning(net, retain, forget, validation):\n    {READS[batches]}")
    net = build(TASK, seed=0)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = torch.random.get_rng_state()
    assert dry_calls.find_batches(described, net, TASK, DATA) == batches
    assert torch.equal(state, torch.random.get_rng_state())
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_declared_batches_need_no_dry_call(solution):
    described = solution('BATCHES = "dict"\ndef unlearning(net, a, b, c): raise ValueError')
    assert dry_calls.find_batches(described, build(TASK, seed=0), TASK, DATA) == "dict"


def test_a_solution_that_fails_either_way_is_said_to(solution):
    described = solution("def unlearning(net, a, b, c): raise ValueError('boom')")
    with pytest.raises(
        RunError, match=r"mine fails in a dry call, with either kit's batches: ValueError: boom \(mine.py, line 1"
    ):
        dry_calls.find_batches(described, build(TASK, seed=0), TASK, DATA)


def test_nothing_is_carried_from_one_call_to_the_next(solution):
    described = solution("calls = []\ndef unlearning(net, a, b, c):\n    calls.append(1)\n    assert len(calls) == 1")
    call(described)
    call(described)


def test_sources_follow_imports_and_modules_beside_the_file_can_be_imported(solution, tmp_path):
    (tmp_path / "my_helper.py").write_text("VALUE = 9\n")
    described = solution(
        """
        import my_helper
        from solutions.parts.training import sgd
        def unlearning(net, a, b, c): net[-1].bias.data.fill_(my_helper.VALUE)
        """
    )
    assert set(described.sources) == {"mine.py", "my_helper.py", "solutions/parts/batches.py", "solutions/parts/training.py"}
    assert (call(described)[1][-1].bias == 9).all()
    improved = contract.sources(contract.ZOO / "scl_improved.py")
    parts = {f"solutions/parts/{name}.py" for name in ("batches", "members", "training")}
    assert set(improved) == {"solutions/scl_improved.py", "solutions/scl.py"} | parts


def test_a_default_may_be_a_tensor(solution):
    found = solution(
        """
        import torch
        from solutions.finetune import unlearning as finetune
        def unlearning(net, retain, forget, val, weights=torch.ones(10), epochs=1):
            finetune(net, retain, forget, val, epochs=epochs)
    """,
        settings=["epochs=2"],
    )
    assert found.hyperparameters == {"weights": "<Tensor>", "epochs": 2}
    assert found.overrides == {"epochs": 2}
