"""What both programs expose when everything that they can tell has happened once."""

from dataclasses import replace

from support.status_rig import A, B, StatusRig

from taosink.observe.expose import exposition, registry
from taosink.observe.ingress_metrics import GAUGES, KINDS, IngressMetrics
from taosink.observe.metrics import ConsumerMetrics


class Answers:
    def counts(self) -> dict[str, int]:
        return {"stored": 1, "rejected": 1, "failed": 0}


def exposed_consumer() -> str:
    """A consumer with two partitions and answers switched on."""
    rig = StatusRig()
    rig.deliver(A, b"1", stamp=990.0).ticket.done(1)
    rig.deliver(B, b"1", stamp=990.0)
    rig.source.lag = {A: 2, B: 0}
    made = registry()
    made.register(ConsumerMetrics(replace(rig.parts, replies=Answers()), rig.facts, rig.looker.tick))
    return exposition(made, "")[0].decode()


def exposed_gateway() -> str:
    """A gateway that has counted one event of each kind."""
    metrics = IngressMetrics()
    for kind in (*KINDS, "strange"):
        metrics.count(kind, "busy")
    metrics.took("kafka", 0.1)
    metrics.http("admin", "/livez", 200, 0.01)
    metrics.http("public", "/records", 202, 0.01)
    metrics.gauges(lambda: dict.fromkeys(GAUGES, 1.0))
    metrics.limits({"connections": 20_000})
    made = registry()
    made.register(metrics)
    return exposition(made, "")[0].decode()
