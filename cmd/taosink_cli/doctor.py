"""`taosink doctor`."""

from collections.abc import Sequence

from taosink.settings.doctor import DoctorSettings
from taosink_cli.main import Call
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    loaded = start(DoctorSettings, arguments, call)
    # After the flags: help and a wrong setting are answered without loading the Kafka client.
    from taosink.doctor.app import run_doctor  # noqa: PLC0415

    return run_doctor(loaded.settings)
