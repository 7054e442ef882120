"""The rooms of the library stand one above the other, and no name stands for several things."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "src" / "vaescope"

FLOORS = (
    {"errors", "text", "circular", "progress", "parallel", "deformation", "numerics", "traits"},
    {"settings", "store", "user_function", "weights", "spreadsheet"},
    {"quantities", "columns", "results", "read", "simulate", "learned"},
    {"walls"},
    {"sites"},
    {"samples", "models"},
    {"train"},
    {"ensemble", "structure", "strain", "baselines", "predict", "cohort"},
    {"explore"},
    {"scores", "judge"},
    {"figures", "explorer", "exchange"},
    {"report"},
    {"recipes", "workflow", "notebook"},
)
"""Rooms from the bottom to the top: each imports only from those below it and beside it."""

UPWARDS: set[tuple[str, str]] = set()
"""Imports (from, of) that go up all the same. To shrink: it may not grow, and what is no longer
needed is taken out."""

CIRCULAR = {("vaescope.read.preprocess", "vaescope.read")}
"""Imports (from, of) without which there is no circle of modules; to shrink."""

SAME_CLASS: set[str] = set()
"""Names that two classes have; to shrink like the imports."""

SAME_FILE: set[str] = set()
"""Names that three files have; to shrink like the imports."""


def room(module: str) -> str:
    """``vaescope.read.tiff`` -> ``read``; the library itself is in no room."""
    return module.split(".")[1] if "." in module else ""


@cache
def modules() -> dict[str, Path]:
    """Every module by its name."""
    found = {}
    for path in sorted(LIBRARY.rglob("*.py")):
        parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> frozenset[str]:
    """Modules of the library that a module imports, inside functions too; those that are imported
    for their types alone count as well, since who reads the code has to know them."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in modules() else node.module)
        elif isinstance(node, ast.ImportFrom):
            pytest.fail(f"{module} has a relative import")
    return frozenset(name for name in found if room(name) and name in modules() and name != module)


@cache
def arrows() -> dict[tuple[str, str], tuple[str, ...]]:
    """Imports from room to room, with the modules that make them."""
    found = defaultdict(list)
    for module in modules():
        for other in imports(module):
            pair = room(module), room(other)
            if "" not in pair and pair[0] != pair[1]:
                found[pair].append(f"{module} imports {other}")
    return {pair: tuple(sorted(made)) for pair, made in found.items()}


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if name in rooms)


def test_every_room_has_its_floor():
    rooms = {room(module) for module in modules()} - {""}
    known = set().union(*FLOORS)
    assert rooms <= known, f"rooms without a floor: {sorted(rooms - known)}"


def test_a_room_imports_only_from_rooms_below_it():
    up = {pair for pair in arrows() if floor(pair[0]) < floor(pair[1])}
    made = "\n".join(line for pair in sorted(up - UPWARDS) for line in arrows()[pair])
    assert not up - UPWARDS, f"upwards:\n{made}"
    assert not UPWARDS - up, f"no longer needed as an exception: {sorted(UPWARDS - up)}"


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Names that lead from one back to itself; empty where there are none."""
    done: set[str] = set()

    def search(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            if found := search(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := search(name, []))), [])


def test_rooms_do_not_import_each_other_in_a_circle():
    graph = defaultdict(set)
    for low, high in set(arrows()) - UPWARDS:
        graph[low].add(high)
    assert circle(graph) == []


def test_modules_do_not_import_each_other_in_a_circle():
    graph = {module: set(imports(module)) for module in modules()}
    for pair in (made.split(" imports ") for up in UPWARDS for made in arrows()[up]):
        graph[pair[0]].discard(pair[1])
    for module, other in CIRCULAR:
        assert other in graph[module], f"no longer needed as an exception: {module}, {other}"
        graph[module].discard(other)
    assert circle(graph) == []


def test_no_class_name_stands_for_two_things():
    places = defaultdict(list)
    for module in modules():
        for node in tree(module).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)
    twice = {name for name, where in places.items() if len(where) > 1}
    assert twice == SAME_CLASS, {name: places[name] for name in sorted(twice ^ SAME_CLASS)}


def test_no_file_name_stands_for_three_things():
    usual = {"__init__.py", "settings.py"}  # of every room
    count = Counter(path.name for path in modules().values() if path.name not in usual)
    thrice = {name for name, number in count.items() if number > 2}
    where = {n: [m for m, p in modules().items() if p.name == n] for n in thrice ^ SAME_FILE}
    assert thrice == SAME_FILE, where


def test_a_circle_is_seen():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []
