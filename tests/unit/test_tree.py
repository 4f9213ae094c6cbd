"""The shape of the source tree, where getting it wrong breaks something far away."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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
