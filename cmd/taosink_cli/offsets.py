"""`taosink offsets show|reset`."""

from collections.abc import Sequence

from taosink.settings.offsets import OffsetsResetSettings, OffsetsShowSettings
from taosink_cli.main import Call
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    """One of the family, by the command's second word."""
    # Each is imported after its flags: help and a wrong setting are answered without the Kafka client.
    if call.command.split()[-1] == "show":
        showing = start(OffsetsShowSettings, arguments, call)
        from taosink.offsets.app import run_show  # noqa: PLC0415

        return run_show(showing.settings)
    resetting = start(OffsetsResetSettings, arguments, call)
    from taosink.offsets.app import run_reset  # noqa: PLC0415

    return run_reset(resetting.settings)
