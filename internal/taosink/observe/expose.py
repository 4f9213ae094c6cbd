"""Metrics as text, for whoever scrapes: the one module that turns a registry into an answer."""

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from taosink import __version__

__all__ = ["Collector", "CollectorRegistry", "exposition", "registry"]

_OPEN_METRICS = "application/openmetrics-text"


class _Build(Collector):
    """`taosink_build_info{version="..."} 1`: which program this is."""

    def collect(self) -> list[InfoMetricFamily]:
        return [InfoMetricFamily("taosink_build", "The program that answers.", {"version": __version__})]


def registry() -> CollectorRegistry:
    """A registry of its own (never the library's global one), with the process's and the runtime's figures."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    made.register(_Build())
    return made


def exposition(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Body and content type for an `Accept` header: OpenMetrics where it is asked for, else Prometheus text.

    Blocks for as long as the collectors take (milliseconds); calls them on the caller's thread.
    """
    # Only one of two forms is passed on: what a stranger writes as a version raises in the library.
    asked = f"{_OPEN_METRICS}; version=1.0.0" if _OPEN_METRICS in accept else ""
    encode, content_type = choose_encoder(asked)
    return encode(registry), content_type
