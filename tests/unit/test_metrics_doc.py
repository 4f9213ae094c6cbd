"""The list of all metrics, and that it is what stands in an answer."""

from collections.abc import Iterable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.metrics_exposed import exposed_consumer, exposed_gateway

from taosink.observe.catalogue import Listed, consumers, gateways

OWN = "taosink_"


@pytest.mark.parametrize(
    ("listed", "text"),
    [(tuple(consumers()), exposed_consumer()), (tuple(gateways()), exposed_gateway())],
    ids=["consumer", "gateway"],
)
def test_the_list_is_what_is_exposed(listed: Iterable[Listed], text: str) -> None:
    """Names, types, labels and helps, both ways."""
    told = {}
    for family in text_string_to_metric_families(text):
        if not family.name.startswith(OWN):
            continue
        (labels,) = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        ends = family.name.endswith("_info")
        name = f"{family.name}_total" if family.type == "counter" else family.name
        told[name] = ("info" if ends else family.type, labels, family.documentation)
    assert told == {one.name: (one.kind, frozenset(one.labels), one.help) for one in listed}
