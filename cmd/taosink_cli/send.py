"""`taosink send`."""

from collections.abc import Sequence

from taosink.settings.send import SendSettings
from taosink_cli.main import Call
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    loaded = start(SendSettings, arguments, call)
    # After the flags: help and a wrong setting are answered without loading the Kafka client.
    from taosink.messages.send import run_send  # noqa: PLC0415

    return run_send(loaded.settings)
