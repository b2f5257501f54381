"""The floor plan: which rooms may know of which, and what stays in the commands. docs/architecture.md shows it."""

import ast
import importlib.util

import pytest

from conftest import PROJECT


@pytest.fixture(scope="module")
def plan():
    spec = importlib.util.spec_from_file_location("architecture", PROJECT / "docs" / "architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def imported(plan):
    return plan.graph()


def roots(path):
    """First parts of the names of all modules that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


def test_every_module_is_on_a_floor(plan):
    assert {plan.room(name) for name in plan.modules()} == set(plan.FLOOR)


def test_no_module_imports_one_that_imports_it(plan, imported):
    assert plan.cycle(imported) == []


def test_a_cycle_would_be_found(plan, imported):
    """Also one that goes by way of a third module, and by imports inside functions, which the graph has like the others."""
    assert "evaluation.populations.worker" in imported["evaluation.populations.jobs"]  # is inside a function
    bent = {**imported, "starting_kit.errors": {"evaluation.scoring.scorer"}}
    assert "starting_kit.errors" in plan.cycle(bent)


def test_rooms_import_rooms_below_them_only(plan, imported):
    upward = [
        f"{name} imports {other}"
        for name, others in imported.items()
        for other in others
        if plan.room(name) != plan.room(other) and plan.FLOOR[plan.room(name)] >= plan.FLOOR[plan.room(other)]
    ]
    assert upward == []


def test_solutions_use_nothing_of_the_kit_but_for_the_one_that_brings_its_trainer(plan, imported):
    users = {name for name, others in imported.items() if plan.room(name) == "solutions" and any("kit" in o for o in others)}
    assert users == {"solutions.sisa", "solutions.parts.sisa"}


def test_the_command_line_and_the_console_stay_in_the_commands(plan, imported):
    for name, path in plan.modules().items():
        if plan.room(name) == plan.COMMANDS:
            continue
        found = set(roots(PROJECT / path))
        assert "argparse" not in found, path
        assert "rich" not in found or plan.room(name) == "evaluation/reports", path
        assert "evaluation.reports.console" not in imported[name], path


def test_nothing_below_the_commands_prints(plan):
    for name, path in plan.modules().items():
        if plan.room(name) != plan.COMMANDS:
            calls = [node for node in ast.walk(ast.parse((PROJECT / path).read_text())) if isinstance(node, ast.Call)]
            assert not [node.lineno for node in calls if ast.unparse(node.func) in ("print", "sys.stdout.write")], path


def test_the_picture_is_that_of_the_imports(plan):
    assert plan.PICTURE.read_text(encoding="utf-8") == plan.draw(), "run python docs/architecture.py"


def test_functions_and_files_can_be_read_at_a_glance(plan):
    tests = [path for path in (PROJECT / "tests").rglob("*.py") if path.parent.parent.name != "wild"]  # as people write
    for path in [*plan.modules().values(), *(PROJECT / "benchmarks").glob("*.py"), *tests]:
        text = (PROJECT / path).read_text()
        assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < 40, f"{path}: {node.name}"
