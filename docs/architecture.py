"""The floor plan, read off the imports: the picture of docs/architecture.md, and the rules that a test holds it to.

python docs/architecture.py          # draws docs/figures/architecture.svg
"""

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from html import escape
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PICTURE = PROJECT / "docs" / "figures" / "architecture.svg"
PACKAGES = ("evaluation", "solutions", "starting_kit")
COMMANDS = "commands"

# From the top down: a room imports rooms below it only.
FLOORS = (
    (COMMANDS,),
    ("evaluation/reports", "evaluation/tuning", "evaluation/checking"),
    ("evaluation/scoring",),
    ("evaluation/populations",),
    ("evaluation/attacks",),
    ("evaluation/metric",),
    ("solutions",),
    ("starting_kit",),
)
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
WIDTH, ROOM_HEIGHT, GAP, MARGIN = 1180, 84, 44, 20
STYLE = "font-family: system-ui, sans-serif; font-size: 13px; fill: #222"


def modules() -> dict[str, Path]:
    """Dotted names of all modules, with their files; texts of notebooks are none."""
    files = [file for package in PACKAGES for file in (PROJECT / package).rglob("*.py")]
    kept = [file.relative_to(PROJECT) for file in [*files, PROJECT / "submit.py"] if "notebook_sources" not in file.parts]
    return {".".join(file.with_suffix("").parts).removesuffix(".__init__"): file for file in sorted(kept)}


def imports(name: str, known: dict[str, Path]) -> Iterator[str]:
    """The project's modules that a module imports, at its top or inside a function."""
    for node in ast.walk(ast.parse((PROJECT / known[name]).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{name} imports relatively"
            parts = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (part for part in parts if part in known)
            if node.module in known and not all(part in known for part in parts):
                yield node.module


def graph() -> dict[str, set[str]]:
    """Of each module, those that it imports."""
    known = modules()
    return {name: set(imports(name, known)) - {name} for name in known}


def room(module: str) -> str:
    """The room of a module: commands are the files of evaluation/, and the two that stand elsewhere."""
    parts = module.split(".")
    if parts[0] == "submit" or module == "starting_kit.kaggle_folder" or (parts[0] == "evaluation" and len(parts) < 3):
        found = "/".join(parts)
        return found if found in FLOOR else COMMANDS
    return "/".join(parts[:2]) if parts[0] == "evaluation" else parts[0]


def cycle(imported: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; empty if there is none."""
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def arrows(imported: dict[str, set[str]]) -> Counter[tuple[str, str]]:
    """From room to room, how many imports there are."""
    return Counter(
        (room(name), room(other))
        for name, others in imported.items()
        for other in others
        if room(name) != room(other) and name in modules()
    )


def contents() -> dict[str, list[str]]:
    """The modules of each room, by the last part of their names; sub-packages in brackets."""
    rooms: dict[str, list[str]] = {name: [] for name in FLOOR}
    for name, file in modules().items():
        inside = name.removeprefix(room(name).replace("/", ".") + ".")
        if file.name != "__init__.py":
            rooms[room(name)].append(inside.rpartition(".")[2] if room(name) == COMMANDS else inside)
    return {name: _shortened(list(dict.fromkeys(inside))) for name, inside in rooms.items()}


def _shortened(inside: list[str]) -> list[str]:
    flat = [name for name in inside if "." not in name]
    packages = Counter(name.split(".")[0] for name in inside if "." in name)
    return [*(f"{package}/ ({count})" for package, count in packages.items()), *flat]


def draw() -> str:
    """The picture, as SVG: floors from the top down, an arrow for each pair of rooms of which one imports the other."""
    inside, boxes = contents(), {}
    for number, floor in enumerate(FLOORS):
        width = (WIDTH - 2 * MARGIN - GAP * (len(floor) - 1)) / len(floor)
        for place, name in enumerate(floor):
            boxes[name] = (MARGIN + place * (width + GAP), MARGIN + number * (ROOM_HEIGHT + GAP), width)
    height = 2 * MARGIN + len(FLOORS) * (ROOM_HEIGHT + GAP) - GAP
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" style="{STYLE}">', HEAD]
    found = sorted(arrows(graph()).items())
    leaving = Counter(pair[0] for pair, _ in found)
    seen: Counter[str] = Counter()
    for (upper, lower), count in found:
        seen[upper] += 1
        parts.append(_arrow(boxes[upper], boxes[lower], seen[upper] / (leaving[upper] + 1), count))
    parts += [_box(name, *boxes[name], inside[name]) for name in boxes]  # in front of arrows to floors further down
    return "\n".join([*parts, "</svg>"]) + "\n"


HEAD = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 L8 4 L0 8 z" fill="#8a5a00"/></marker></defs><rect width="100%" height="100%" fill="#fff"/>'
)


def _box(name: str, x: float, y: float, width: float, inside: list[str]) -> str:
    lines, line = [], ""
    for part in inside:
        if len(line) + len(part) > width / 6.6:
            lines.append(line)
            line = ""
        line += f"{part}   "
    texts = [*lines, line][:3] if len(lines) < 3 else [*lines[:2], f"{lines[2]} …"]
    rows = "".join(f'<text x="{x + 12:.0f}" y="{y + 42 + 16 * i:.0f}">{escape(text)}</text>' for i, text in enumerate(texts))
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{ROOM_HEIGHT}" rx="6" fill="#f4f1ea" stroke="#555"/>'
        f'<text x="{x + 12:.0f}" y="{y + 21:.0f}" font-weight="600">{escape(name)}</text>{rows}'
    )


def _arrow(upper: tuple[float, float, float], lower: tuple[float, float, float], share: float, count: int) -> str:
    (x, y, width), (to_x, to_y, to_width) = upper, lower
    start = x + share * width
    end = min(max(start, to_x + 30), to_x + to_width - 30)
    return (
        f'<path d="M{start:.0f} {y + ROOM_HEIGHT} L{end:.0f} {to_y - 2:.0f}" stroke="#8a5a00" stroke-opacity="0.75" '
        f'stroke-width="{1 + count**0.5 / 3:.1f}" fill="none" marker-end="url(#tip)"><title>{count} imports</title></path>'
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
