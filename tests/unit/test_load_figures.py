"""What a load comes to: shares of latencies, the report, the process's cost, the settings."""

import dataclasses
import json
import os
import resource

import pytest
from rich.console import Console

from taosink.config import LoadSettings, load
from taosink.load.figures import LONGEST, Latencies
from taosink.load.fleet import source
from taosink.load.process import raise_descriptors, usage
from taosink.load.report import Cost, LoadReport, render
from taosink.settings.load import MAX_BATCH
from taosink.settings.problems import SettingsError
from taosink_cli.bench import load_options, target_options


def test_shares_are_those_of_all_that_was_counted() -> None:
    """1 to 1000 ms, once each: to the step of a tenth of a millisecond."""
    found = Latencies()
    for milliseconds in range(1, 1001):
        found.add(milliseconds / 1000 - 0.00001)
    assert [found.at(share) for share in (0.5, 0.9, 0.99)] == [0.5, 0.9, 0.99]
    assert found.told() == {"count": 1000, "p50": 500, "p90": 900, "p99": 990, "max": 999.99}


@pytest.mark.parametrize("seconds", [-1.0, 0.0, LONGEST + 5.0, 1e9])
def test_what_is_out_of_range_is_counted_all_the_same(seconds: float) -> None:
    """A clock that was set back, and an answer that took for ever."""
    found = Latencies()
    found.add(seconds)
    assert (found.count, found.max) == (1, max(0.0, seconds))
    assert 0 <= found.at(0.99) <= found.max


def test_nothing_has_no_latency() -> None:
    assert Latencies().told() == {"count": 0, "p50": 0, "p90": 0, "p99": 0, "max": 0}


def test_the_cost_of_a_process_is_read() -> None:
    """This one's own: it has used CPU, and its memory never was more than its peak."""
    before = usage(os.getpid())
    assert before is not None
    ballast = bytearray(os.urandom(32 << 20))
    after = usage(os.getpid())
    assert after is not None
    assert after.rss - before.rss > 16 << 20, len(ballast)
    assert after.cpu >= before.cpu > 0
    assert after.peak >= after.rss


def test_no_process_has_no_cost() -> None:
    assert usage(0) is None


def test_descriptors_are_raised_as_far_as_they_may_be() -> None:
    """And told, where that is not far enough; never lowered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard - 1, hard))
        assert raise_descriptors(10) == 10
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard - 1
        assert raise_descriptors(hard + 1) == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_connections_to_loopback_come_from_many_addresses() -> None:
    """To any other host they come from wherever the system says."""
    assert source("127.0.0.1", 0) == ("127.0.0.2", 0)
    assert source("localhost", 300) == ("127.0.1.46", 0)
    assert source("10.0.0.1", 1) is source("::1", 1) is source("gateway.example", 1) is None


REPORT = LoadReport(
    mode="single",
    connections_asked=10,
    connections_held=10,
    connections_seconds=0.1,
    connections_failed={},
    closed={},
    seconds=2.0,
    rate_asked=100,
    sent=200,
    ok=200,
    unanswered=0,
    errors={},
    requests_per_second=100,
    records_per_second=100,
    latency_ms={"kafka": {"count": 200, "p50": 1.0, "p90": 2.0, "p99": 3.0, "max": 1234.5}},
    gateway=Cost(7, 1.5, 0.75, 50 << 20, 60 << 20, 61 << 20, 62 << 20, 2048),
    load_cpu_share=0.2,
    load_late_ms={"p99": 0.5},
    cpus=2,
    load_average=1.5,
)


def shown(report: LoadReport) -> str:
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 -- closed below
    with console.file:
        console.print(render(report))
        return console.export_text()


def test_a_report_is_for_people_and_for_machines() -> None:
    text = shown(REPORT)
    for part in (
        "10 of 10",
        "1.0 / 2.0 / 3.0 / 1,234.5 ms",
        "75% of a CPU",
        "50 / 60 / 61 / 62 MiB",
        "2.0 KiB",
    ):
        assert part in text
    assert "every request answered ok" in text
    assert json.loads(json.dumps(REPORT.as_json()))["clean"] is True


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"errors": {"busy": 3}}, "busy 3"),
        ({"unanswered": 4}, "unanswered 4"),
        ({"closed": {"idle": 5}}, "idle 5"),
        ({"connections_held": 9, "connections_failed": {"ECONNREFUSED": 1}}, "ECONNREFUSED 1"),
    ],
)
def test_every_fault_is_told(changes: dict[str, object], told: str) -> None:
    report = dataclasses.replace(REPORT, **changes)  # type: ignore[arg-type]  # fields by name
    assert not report.clean
    assert told in shown(report)
    assert "every request" not in shown(report)


def settings(*flags: tuple[str, str]) -> LoadSettings:
    return load(LoadSettings, flags, environ={}).settings


def test_flags_become_the_tools_own_terms() -> None:
    found = settings(("connections", "7"), ("mode", "batch"), ("batch", "5"), ("ack", "both"), ("rate", "0"))
    options = load_options(found)
    assert (options.connections, options.records_per_request, options.rate) == (7, 5, 0)
    assert options.acks == ("kafka", "stored")
    target = target_options(found)
    assert target.address is None
    assert target.consumer


def test_a_given_gateway_needs_no_consumer_of_its_own_and_idle_devices_none() -> None:
    target = target_options(settings(("to", "tcp://127.0.0.1:3000"), ("pid", "12")))
    assert target.address is not None
    assert (target.address.number, target.pid, target.token) == (3000, 12, None)
    assert not target_options(settings(("mode", "idle"), ("ack", "stored"))).consumer


@pytest.mark.parametrize(
    "flags",
    [
        [("pid", "12")],
        [("to", "tcp://127.0.0.1:3000"), ("kafka.brokers", "127.0.0.1:9092")],
        [("to", "http://127.0.0.1:3000")],
        [("batch", str(MAX_BATCH + 1))],
    ],
)
def test_what_does_not_go_together_is_refused(flags: list[tuple[str, str]]) -> None:
    with pytest.raises(SettingsError):
        settings(*flags)
