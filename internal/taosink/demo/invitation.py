"""What a demo that stays up says of itself: where everything is, and how to speak to it."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from taosink.demo.cluster import TOPIC, Cluster
from taosink.ingress.auth.tokens import make_token, parse_keys

DEVICE = "gw-by-hand"
LIFETIME_S = 24 * 3600


def invitation(cluster: Cluster) -> Iterator[str]:
    """Lines for the terminal. They hold a token, for a gateway that listens on loopback alone and ends with the
    demo."""
    yield f"broker {cluster.brokers}, topic {TOPIC}"
    yield f"database {cluster.taosuri}"
    for name, url in cluster.status_pages.items():
        yield f"watch {name}: {url}/ (also /status.json, /healthz, /metrics)"
    at = cluster.gateway_at
    if at:
        yield f"gateway {at['tcp']} (TCP), http://{at['http']} (HTTP)"
        yield f"watch the gateway: http://{at['admin']}/ (also /devices, /healthz, /metrics, and commands to devices)"
        keys = parse_keys(cluster.keys.read_text(encoding="ascii"))
        token = make_token(keys, DEVICE, int(time.time()) + LIFETIME_S)
        yield "be a device, and hear when the reading is stored:"
        yield f"  {conversation(at['tcp'], token, datetime.now(UTC))}"
    yield "everything stays up until Ctrl-C"


def conversation(address: str, token: str, at: datetime) -> str:
    """One line for a shell. The pause is there because some kinds of nc leave as soon as their input ends."""
    lines = (
        {"action": "connect", "deviceUid": DEVICE, "uid": 1, "token": token},
        {
            "action": "data",
            "uid": 2,
            "ack": "stored",
            "data": {"Timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}", "Cols": [21.5, 3, True, "ok"]},
        },
    )
    said = "; ".join(f"echo '{json.dumps(line, separators=(',', ':'))}'" for line in lines)
    return f"({said}; sleep 2) | nc {address.replace(':', ' ')}"
