"""The reference of all settings, and the help that is made from the same models."""

from pathlib import Path

import pytest

from taosink.config import MODELS, ConsumerSettings
from taosink.settings.help import REGENERATE, help_text, settings_document, settings_table
from taosink.settings.spec import specs_of
from taosink_cli.main import COMMANDS
from taosink_cli.settings_doc import main

DOCUMENT = Path(__file__).parents[2] / "docs" / "SETTINGS.md"


def test_the_document_is_what_the_models_say() -> None:
    """Where this fails, the command in the document's second line writes it anew."""
    assert DOCUMENT.read_text(encoding="utf-8") == settings_document(MODELS), REGENERATE


def test_every_command_has_its_settings() -> None:
    """A command without a model would have no help."""
    assert set(MODELS) == set(COMMANDS)


def test_every_setting_stands_in_the_table_and_in_the_help() -> None:
    """By its flag and its variables."""
    table = settings_table(ConsumerSettings)
    text = help_text("consumer", "about", ConsumerSettings, width=80)
    for spec in specs_of(ConsumerSettings):
        assert f"| `{spec.name}`" in table
        assert f"--{spec.name}" in text
        for variable in (spec.variable, *spec.old_env):
            assert f"`{variable}`" in table
            assert variable in text


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["a", "b"]])
def test_the_generator_writes_no_file_named_like_a_flag(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how it is called."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage:")
    assert not list(tmp_path.iterdir())


def test_the_generator_writes_the_file(tmp_path: Path) -> None:
    """Replacing what stood there."""
    target = tmp_path / "SETTINGS.md"
    assert main([str(target)]) == 0
    assert target.read_text(encoding="utf-8") == settings_document(MODELS)
