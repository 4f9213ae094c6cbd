"""`taosink segments`."""

from collections.abc import Sequence

from taosink.settings.segments import SegmentsSettings
from taosink_cli.main import Call
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    loaded = start(SegmentsSettings, arguments, call)
    # After the flags: help and a wrong setting are answered without loading the Kafka client.
    from taosink.segments.app import run_segments  # noqa: PLC0415

    return run_segments(loaded.settings)
