"""Files of the tree that are made from the code."""

from pathlib import Path

import pytest

from taosink_cli.documents import DOCUMENTS, main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_file_is_what_the_code_says(name: str) -> None:
    """Where this fails, `make docs` writes it anew, as its first lines say."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "make docs" in "".join(text.splitlines(keepends=True)[:5])
    assert text == DOCUMENTS[name]()


def test_all_are_written_over_what_stood_there(tmp_path: Path) -> None:
    """In the tree that is given."""
    for name in DOCUMENTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("old")
    assert main([str(tmp_path)]) == 0
    for name, text in DOCUMENTS.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == text()


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["a", "b"], []])
def test_nothing_is_written_where_no_tree_is(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how it is called."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage:")
    assert not list(tmp_path.iterdir())
