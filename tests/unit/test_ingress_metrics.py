"""The gateway's metrics: closed sets of labels, both text forms, and cheap counting."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from taosink.observe.expose import exposition, registry
from taosink.observe.ingress_metrics import GAUGES, KINDS, MOST_REASONS, IngressMetrics


def scraped(metrics: IngressMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = registry()
    found.register(metrics)
    text = exposition(found, "")[0].decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "text/plain",
        "application/openmetrics-text; version=1.0.0",
        "application/openmetrics-text;version=x,,;q",
    ],
)
def test_any_accept_header_gets_an_answer(accept: str) -> None:
    """Prometheus text or OpenMetrics; a version that is none does no harm."""
    found = registry()
    found.register(IngressMetrics())
    body, content_type = exposition(found, accept)
    assert b"taosink_build_info" in body
    assert b"taosink_ingress_requests" in body
    assert ("openmetrics" in content_type) == ("openmetrics" in accept)
    assert body.endswith(b"# EOF\n") == ("openmetrics" in accept)


def test_each_registry_is_its_own() -> None:
    """Two programs' parts in one process do not register the same name twice."""
    first, second = registry(), registry()
    first.register(IngressMetrics())
    second.register(IngressMetrics())
    assert exposition(first, "")[0].count(b"taosink_ingress_ready") == 0


def test_counts_come_out_as_they_went_in() -> None:
    """Counters by reason, times by bucket, gauges and bounds."""
    metrics = IngressMetrics()
    metrics.count("reject", "bad_frame")
    metrics.count("reject", "bad_frame", 4)
    metrics.count("frames", "in", 7)
    metrics.took("kafka", 0.003)
    metrics.took("kafka", 99.0)
    metrics.http("public", "/records", 202, 0.02)
    metrics.gauges(lambda: {"connections": 5, "no_such_gauge": 1})
    metrics.limits({"frame_bytes": 65_536})
    found = scraped(metrics)
    assert found["taosink_ingress_rejects_total", (("reason", "bad_frame"),)] == 5
    assert found["taosink_ingress_frames_total", (("direction", "in"),)] == 7
    assert found["taosink_ingress_frames_total", (("direction", "out"),)] == 0
    assert found["taosink_ingress_connections", ()] == 5
    assert found["taosink_ingress_limit", (("limit", "frame_bytes"),)] == 65_536
    assert found["taosink_ingress_ack_seconds_count", (("ack", "kafka"),)] == 2
    assert found["taosink_ingress_ack_seconds_sum", (("ack", "kafka"),)] == pytest.approx(99.003)
    assert found["taosink_ingress_ack_seconds_bucket", (("ack", "kafka"), ("le", "0.005"))] == 1
    assert found["taosink_ingress_ack_seconds_bucket", (("ack", "kafka"), ("le", "30.0"))] == 1
    requests = "taosink_ingress_http_requests_total"
    assert found[requests, (("listener", "public"), ("route", "/records"), ("status", "202"))] == 1


def test_no_text_of_a_device_becomes_a_label() -> None:
    """Unknown actions are `application`, reasons that are no constants `other`, and there is an end to reasons."""
    metrics = IngressMetrics()
    for hostile in ('"}\n', "x" * 1000, "ünï", "DROP TABLE", ""):
        for kind in ("request", "reject", "frames", "no_such_kind", 'kind"\n'):
            metrics.count(kind, hostile)
    for i in range(10 * MOST_REASONS):
        metrics.count("closed", f"reason_{i}")
        metrics.count(f"kind_{i}", "x")
        metrics.took(f"kind_{i}", 1.0)
    found = scraped(metrics)
    assert found["taosink_ingress_requests_total", (("action", "application"),)] == 5
    assert found["taosink_ingress_rejects_total", (("reason", "other"),)] == 5
    closed = {key: n for key, n in found.items() if key[0] == "taosink_ingress_connections_closed_total"}
    assert len(closed) <= MOST_REASONS + 1
    assert sum(closed.values()) == 10 * MOST_REASONS
    strange = {key: n for key, n in found.items() if key[0] == "taosink_ingress_other_total"}
    assert len(strange) <= MOST_REASONS + 1
    assert sum(strange.values()) == 10 * MOST_REASONS + 10
    values = {value for _, labels in found for _, value in labels}
    assert all(value.isascii() and '"' not in value and len(value) < 60 for value in values)


def test_every_metric_has_help_and_a_name_of_its_own() -> None:
    """Names are lower case with the program's prefix, counters end in `_total`, and none stands twice."""
    names = [kind.name for kind in KINDS.values()] + [name for name, _ in GAUGES.values()]
    assert len(set(names)) == len(names)
    assert all(kind.name.endswith("_total") and kind.help.endswith(".") for kind in KINDS.values())
    metrics = IngressMetrics()
    metrics.gauges(lambda: dict.fromkeys(GAUGES, 1.0))
    families = list(metrics.collect())
    assert all(family.documentation and family.name.startswith("taosink_ingress_") for family in families)
    assert len({family.name for family in families}) == len(families)
