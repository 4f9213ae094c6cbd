"""The consumer end to end: a Kafka topic into a database that acknowledges at once.

Rows/s and CPU µs/row of one consumer process, from its first INSERT to its last commit: its start-up, the
broker, the database and the producer are left out. Medians of repeated runs.

    bench_consumer.py [--records N] [--repeats N] [--kafka BOOTSTRAP] [--json] [-- CONSUMER FLAGS]

Without --kafka the embedded broker is used, which keeps 5 MiB a partition: at most about 400,000 small records.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

LAUNCH = (sys.executable, "-m", "taosink_cli")
HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
PARTITIONS = 10


@contextmanager
def serving(command: Sequence[str]) -> Iterator[str]:
    """A process that prints its address first; stopped on leaving."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


def cpu_seconds(pid: int) -> float:
    """User and system time so far, of all threads (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def produce(brokers: str, topic: str, records: int) -> None:
    command = [
        *LAUNCH,
        "producer",
        f"--kafka.brokers={brokers}",
        f"--topic={topic}",
        "--shape=demo",
        "--sim.tables=100",
        f"--records={records}",
        f"--partitions={PARTITIONS}",
        "--log.level=error",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def consume(
    brokers: str, topic: str, records: int, url: str, more: Sequence[str] = ()
) -> tuple[float, float]:
    """One run of a new group over the whole topic: (rows/s, CPU µs/row). `more` are flags of the consumer."""
    command = [
        *LAUNCH,
        "consumer",
        f"--kafka.brokers={brokers}",
        f"--topic={topic}",
        f"--kafka.group=bench-{uuid.uuid4().hex[:8]}",
        f"--taosuri={url}/bench",
        "--schema.create",
        "--log.format=json",
        "--stats.interval=100ms",
        *more,
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    begun: tuple[float, float, int] | None = None
    try:
        for line in process.stderr:
            event = json.loads(line)
            if event["event"] != "consumer.stats":
                continue
            now = (time.monotonic(), cpu_seconds(process.pid), event["stored"])
            if event["stored"] and begun is None:
                begun = now
            if event["stored"] >= records and begun is not None:
                rows = now[2] - begun[2]
                return rows / (now[0] - begun[0]), (now[1] - begun[1]) / rows * 1e6
        raise RuntimeError(f"the consumer ended early, exit code {process.wait()}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        process.wait(30)
        process.stderr.close()


def inserts(url: str) -> dict[str, int]:
    with urlopen(f"{url}/-/inserts") as answer:
        found: dict[str, int] = json.load(answer)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--kafka", default="")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("consumer", nargs="*", help="flags of the consumer, behind --")
    options = parser.parse_args()
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    broker = [*LAUNCH, "embedded", "broker", "--topic", f"{topic}:{PARTITIONS}"]
    with (
        serving([*LAUNCH, "embedded", "database", "--listen", "127.0.0.1:0"]) as upstream,
        serving([sys.executable, str(HERE / "ack_server.py"), upstream]) as url,
        serving(["cat"] if options.kafka else broker) as embedded,
    ):
        brokers = options.kafka or embedded
        produce(brokers, topic, options.records)
        runs = [
            consume(brokers, topic, options.records, url, options.consumer) for _ in range(options.repeats)
        ]
        sent = inserts(url)
    report = {
        "broker": "given" if options.kafka else "embedded",
        "records": options.records,
        "repeats": options.repeats,
        "rows_per_second": round(statistics.median(r for r, _ in runs)),
        "cpu_us_per_row": round(statistics.median(c for _, c in runs), 2),
        "statement_bytes_mean": round(sent["bytes"] / max(1, sent["statements"])),
    }
    if options.json:
        print(json.dumps(report))  # noqa: T201 - it is what the command is for
        return
    print(f"consumer end to end, 4 mixed columns, {report['records']:,} records, {report['repeats']} runs:")  # noqa: T201 - as above
    print(f"  {report['rows_per_second']:,} rows/s, {report['cpu_us_per_row']} CPU µs/row (median)")  # noqa: T201 - as above
    print(f"  statements of {report['statement_bytes_mean']:,} bytes on average")  # noqa: T201 - as above


if __name__ == "__main__":
    main()
