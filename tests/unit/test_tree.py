"""The shape of the source tree, where getting it wrong breaks something far away."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for root in ("cmd", "internal", "pkg")
    for path in sorted((ROOT / root).rglob("*.py"))
}
MOST_LINES = 300
ENVIRONMENT = {"os": {"environ", "environb", "getenv", "getenvb"}}
ARGUMENTS = {"sys": {"argv", "orig_argv"}}


def uses(text: str, wanted: dict[str, set[str]]) -> Iterator[int]:
    """Lines that take one of these names from its module, under whatever name either is imported."""
    tree = ast.parse(text)
    modules = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if wanted.get(node.module or "", set()) & {alias.name for alias in node.names}:
                yield node.lineno
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.attr in wanted.get(modules.get(node.value.id, ""), ())
        ):
            yield node.lineno


@pytest.mark.parametrize("root", ["cmd", "internal", "pkg"])
def test_source_roots_are_no_packages(root: str) -> None:
    """`cmd/__init__.py` would shadow the standard library's cmd, and break pdb and pytest."""
    assert (ROOT / root).is_dir()
    assert not (ROOT / root / "__init__.py").exists()


def test_the_standard_librarys_cmd_is_the_one_imported() -> None:
    """`import cmd` finds the standard library from the checkout's root."""
    import cmd

    assert Path(cmd.__file__).is_relative_to(Path(sys.base_prefix))


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_locks_carry_hashes_and_no_address(lock: str) -> None:
    """A lock pins by hash and names no registry: it works behind any mirror."""
    text = (ROOT / lock).read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert not (ROOT / "uv.lock").exists()


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.environ['A']",
        "import os as o\no.getenv('A')",
        "from os import path, environ as e",
        "def f():\n    import os\n    return dict(os.environ)",
    ],
)
def test_each_way_to_the_environment_is_seen(text: str) -> None:
    """Aliases, local imports and names taken out of the module."""
    assert list(uses(text, ENVIRONMENT))
    assert not list(uses("import os\ndef load(environ): return environ, os.path", ENVIRONMENT))


def test_the_environment_is_read_in_one_module() -> None:
    """A setting that is read elsewhere has no flag, no help and no check."""
    found = [f"{path}:{line}" for path, text in SOURCES.items() for line in uses(text, ENVIRONMENT)]
    assert found
    assert [place for place in found if not place.startswith("internal/taosink/config.py:")] == []


def test_arguments_are_read_by_the_commands_alone() -> None:
    """What a library reads from the command line cannot be called twice, nor from a test."""
    found = [f"{path}:{line}" for path, text in SOURCES.items() for line in uses(text, ARGUMENTS)]
    assert found
    assert [place for place in found if not place.startswith("cmd/")] == []


def test_no_module_holds_two_ideas() -> None:
    """A module that needs more lines than this has a second thing in it."""
    assert {path: n for path, text in SOURCES.items() if (n := len(text.splitlines())) > MOST_LINES} == {}
