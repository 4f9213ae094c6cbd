"""What the gateway writes on the request topic. Pure."""

from collections.abc import Mapping
from typing import Any

from taosdevice.messages import to_json


def request_envelope(server: str, client: str, request: Mapping[str, Any], **more: Any) -> bytes:
    """A device's request as workers get it, without its token; ValueError for what JSON has no form for."""
    sent = {key: value for key, value in request.items() if key != "token"}
    return to_json({"deviceRequest": sent, "serverId": server, "clientId": client, **more})


def connection_event(server: str, client: str, device: str, action: str, data: Mapping[str, Any]) -> bytes:
    """That a device has connected, or has gone."""
    request = {"action": action, "deviceUid": device, "data": data}
    return request_envelope(server, client, request, event=True)
