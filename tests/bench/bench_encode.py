"""What encoding costs alone: CPU microseconds per row, from raw values to the SQL text.

`python tests/bench/bench_encode.py [--json] [--repeats N] [--codec msgpack|json] [--careful] [--guarded]`
Big batch: 10,000 records of 100 devices; small: 1,000 records of 1,000 devices. All subtables are known.
"""

import argparse
import json
import random
import statistics
import string
import sys
import time
from collections.abc import Callable

from taosbatch.encoding import Encoder, Layout
from taosbatch.guards import Guard, TableGuard, Window
from taosink.records.encoder import RecordEncoder
from taosink.records.record import Record, encode_json, encode_msgpack

BATCHES = {"big": (10_000, 100), "small": (1_000, 1_000)}
START_NS = 1_700_000_000_123_000_000
INTERVAL_NS = 1_000_000_000


def _letters(rnd: random.Random, count: int) -> str:
    return "".join(rnd.choices(string.ascii_letters, k=count))


SHAPES: dict[str, Callable[[random.Random], list[bool | int | float | str | None]]] = {
    "1 float": lambda rnd: [rnd.uniform(-50, 150)],
    "4 mixed": lambda rnd: [
        rnd.uniform(-50, 150),
        rnd.randrange(10_000),
        rnd.random() < 0.5,
        _letters(rnd, 8),
    ],
    "10 floats": lambda rnd: [rnd.uniform(-50, 150) for _ in range(10)],
    "100 strings of 10": lambda rnd: [_letters(rnd, 10) for _ in range(100)],
}

TYPES = {
    "1 float": ["DOUBLE"],
    "4 mixed": ["DOUBLE", "DOUBLE", "BOOL", "VARCHAR(64)"],
    "10 floats": ["DOUBLE"] * 10,
    "100 strings of 10": ["VARCHAR(64)"] * 100,
}
"""The columns that inference gives these shapes."""


def guard(shape: str) -> Guard:
    """What the consumer's guard is for such a table by default."""
    columns = [("ts", "TIMESTAMP"), *((f"col{i}", name) for i, name in enumerate(TYPES[shape]))]
    table = TableGuard(tuple(columns), (("device", "VARCHAR(64)"),), lossy="reject")
    return Guard(Window("ms", 3650 * 1440, now_ns=time.time_ns()), table)


def batch(shape: str, size: str, codec: str) -> list[bytes]:
    """The same values for the same arguments, device after device as a partition would hold them."""
    rnd = random.Random(99)
    records, devices = BATCHES[size]
    write = encode_json if codec == "json" else encode_msgpack
    return [
        write(Record(f"tb{i % devices}", START_NS + i // devices * INTERVAL_NS, SHAPES[shape](rnd)))
        for i in range(records)
    ]


def measure(encoder: Encoder, values: list[bytes], repeats: int, layout: Layout) -> dict[str, float]:
    """CPU microseconds per row over the repeats, after one run that is not counted."""
    known = {f"tb{i}" for i in range(1_000)}
    encoded = encoder.encode(values, layout, known)
    if encoded.rejects or sum(len(s.rows) for s in encoded.statements) != len(values):
        raise RuntimeError("the benchmark's own records were rejected")
    times = []
    for _ in range(repeats):
        start = time.process_time()
        encoder.encode(values, layout, known)
        times.append((time.process_time() - start) / len(values) * 1e6)
    return {"median": round(statistics.median(times), 3), "min": round(min(times), 3)}


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU microseconds per row of encoding alone")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--codec", choices=["msgpack", "json"], default="msgpack")
    parser.add_argument("--careful", action="store_true", help="without the quick reader")
    parser.add_argument("--guarded", action="store_true", help="with the guard of a live table")
    options = parser.parse_args()
    encoder = RecordEncoder(careful=options.careful)
    results: dict[str, dict[str, dict[str, float]]] = {}
    for shape in SHAPES:
        layout = Layout("", "stb", guard=guard(shape) if options.guarded else None)
        results[shape] = {
            size: measure(encoder, batch(shape, size, options.codec), options.repeats, layout)
            for size in BATCHES
        }
    if options.json:
        found = {
            "unit": "cpu_us_per_row",
            "codec": options.codec,
            "guarded": options.guarded,
            "repeats": options.repeats,
            "encode": results,
        }
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    sys.stdout.write(f"encode alone, {options.codec}, CPU µs/row, median (min) of {options.repeats} runs\n")
    sys.stdout.write(f"{'columns':<20}{'big batch':>18}{'small batch':>18}\n")
    for shape, sizes in results.items():
        cells = "".join(f"{found['median']:>10.2f} ({found['min']:.2f})" for found in sizes.values())
        sys.stdout.write(f"{shape:<20}{cells}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
