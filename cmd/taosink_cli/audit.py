"""`taosink audit`."""

from collections.abc import Sequence

from taosink.settings.audit import AuditSettings
from taosink_cli.main import Call
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    loaded = start(AuditSettings, arguments, call)
    # After the flags: help and a wrong setting are answered without loading the Kafka client.
    from taosink.audit.app import run_audit  # noqa: PLC0415

    return run_audit(loaded.settings)
