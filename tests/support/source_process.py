"""A source in a process of its own, to be killed: `python -m support.source_process BROKERS GROUP TOPIC
PROTOCOL`.

Prints one line per record that ended: partition, offset.
"""

import sys
import threading

import structlog
from support.source_rig import Rig

from taosink.kafka.options import SourceOptions


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    brokers, group, topic, protocol = sys.argv[1:5]
    session = 2.0 if protocol == "classic" else None
    options = SourceOptions(
        brokers,
        group,
        (topic,),
        group_protocol=protocol,  # type: ignore[arg-type] # one of the two, by the test
        session_timeout=session,
        commit_interval=0.1,
        poll_records=50,
    )
    rig = Rig(options)
    rig.pace = 0.05
    rig.tell = tell
    rig.start()
    threading.Event().wait()


def tell(ended: list[tuple[int, int]]) -> None:
    """Before they count as ended: what is committed has always been told."""
    sys.stdout.write("".join(f"{partition} {offset}\n" for partition, offset in ended))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
