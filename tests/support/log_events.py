"""Every log event of the source, found in its text: name, levels, fields. For the catalogue's test."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = ("internal", "cmd", "pkg")
_LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "critical": "critical",
}
ANY = "any"


class UnfindableError(AssertionError):
    """A log call whose event or level cannot be read off the source."""


@dataclass(slots=True)
class Event:
    """`open`: it has fields that the source adds by `**`, which cannot be seen here."""

    name: str
    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    open: bool = False
    places: list[str] = field(default_factory=list)

    def row(self) -> str:
        """A row for the catalogue, to be filled in."""
        return (
            f"| `{self.name}` | {levels_text(self.levels)} | {', '.join(sorted(self.fields))} | ... | ... |"
        )


def levels_text(levels: set[str]) -> str:
    return ", ".join(sorted(levels))


@cache
def events() -> dict[str, Event]:
    """Of the whole source. Raises UnfindableError with the place."""
    found: dict[str, Event] = {}
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*.py")):
            for name, levels, fields, is_open, line in calls(path.read_text(encoding="utf-8"), path.name):
                event = found.setdefault(name, Event(name))
                event.levels |= levels
                event.fields |= fields
                event.open |= is_open
                event.places.append(f"{path.relative_to(ROOT)}:{line}")
    return found


def calls(source: str, name: str) -> Iterator[tuple[str, set[str], set[str], bool, int]]:
    """Event, levels, fields, whether there are more, line: of each log call and each `Notice` of a module."""
    tree = ast.parse(source)
    for scope, call in _calls(tree):
        if isinstance(call.func, ast.Name) and call.func.id == "Notice":
            yield from _notice(call, name)
            continue
        levels = _levels(call, scope)
        if not levels:
            continue
        at = call.args[1 if levels == {ANY} else 0] if call.args else None
        if isinstance(at, ast.Attribute) and at.attr == "event":
            continue  # a Notice, which is found where it is made
        names = _texts(at, scope, tree)
        if not names:
            raise UnfindableError(f"{name}:{call.lineno}: the event's name is not to be read off the source")
        fields = {k.arg for k in call.keywords if k.arg and k.arg != "exc_info"}
        for event in names:
            its = _paired(event, call, at, scope) or levels
            yield event, its, fields, any(k.arg is None for k in call.keywords), call.lineno


def _calls(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.Call]]:
    def walk(node: ast.AST, scope: ast.AST) -> Iterator[tuple[ast.AST, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield scope, child
            inner = child if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else scope
            yield from walk(child, inner)

    yield from walk(tree, tree)


def _levels(call: ast.Call, scope: ast.AST) -> set[str]:
    func = call.func
    if isinstance(func, ast.Attribute) and _is_log(func.value):
        return {ANY} if func.attr == "log" else {_LEVELS[func.attr]} if func.attr in _LEVELS else set()
    if isinstance(func, ast.Name):
        chosen = _assigned(func.id, scope)
        parts = [chosen.body, chosen.orelse] if isinstance(chosen, ast.IfExp) else [chosen]
        return {
            _LEVELS[p.attr]
            for p in parts
            if isinstance(p, ast.Attribute) and _is_log(p.value) and p.attr in _LEVELS
        }
    return set()


def _paired(event: str, call: ast.Call, at: ast.AST | None, scope: ast.AST) -> set[str]:
    """The one level of an event that is chosen by the same condition as its level is."""
    say = _assigned(call.func.id, scope) if isinstance(call.func, ast.Name) else None
    if not (isinstance(say, ast.IfExp) and isinstance(at, ast.IfExp)):
        return set()
    if ast.dump(say.test) != ast.dump(at.test):
        return set()
    first = isinstance(at.body, ast.Constant) and at.body.value == event
    chosen = say.body if first else say.orelse
    return {_LEVELS[chosen.attr]} if isinstance(chosen, ast.Attribute) else set()


def _is_log(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in {"log", "_log", "logger", "LOG"}
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"get_logger", "bind"}
    )


def _texts(node: ast.AST | None, scope: ast.AST, tree: ast.Module) -> list[str]:
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp():
            return _texts(node.body, scope, tree) + _texts(node.orelse, scope, tree)
        case ast.Name():
            return _texts(_assigned(node.id, scope) or _assigned(node.id, tree), scope, tree)
        case ast.Subscript(value=ast.Name(id=name)):
            table = _assigned(name, tree)
            if isinstance(table, ast.Dict):
                return [t for value in table.values for t in _texts(value, scope, tree)]
    return []


def _assigned(name: str, scope: ast.AST) -> ast.AST | None:
    return _assignments(scope).get(name)


@cache
def _assignments(scope: ast.AST) -> dict[str, ast.AST]:
    """The first value that each name of a scope is given."""
    found: dict[str, ast.AST] = {}
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, node.value)
    return found


def _notice(call: ast.Call, name: str) -> Iterator[tuple[str, set[str], set[str], bool, int]]:
    match call.args:
        case [ast.Constant(value=str(event)), ast.Dict(keys=keys)]:
            fields = {k.value for k in keys if isinstance(k, ast.Constant) and isinstance(k.value, str)}
            yield event, {"warning"}, fields, len(fields) < len(keys), call.lineno
        case _:
            raise UnfindableError(
                f"{name}:{call.lineno}: a Notice whose event is not to be read off the source"
            )
