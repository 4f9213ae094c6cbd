"""The reference of all settings, and the help that is made from the same models."""

from taosink.config import MODELS, ConsumerSettings
from taosink.settings.help import help_text, settings_table
from taosink.settings.spec import specs_of
from taosink_cli.main import COMMANDS


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
