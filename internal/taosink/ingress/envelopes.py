"""What the gateway writes on the request topic, and what it looks at in what devices wrote. Pure."""

from collections.abc import Mapping
from typing import Any

from taosdevice.framing import Framing
from taosdevice.messages import to_json


def request_envelope(server: str, client: str, request: Mapping[str, Any], **more: Any) -> bytes:
    """A device's request as workers get it, without its token; ValueError for what JSON has no form for."""
    sent = {key: value for key, value in request.items() if key != "token"}
    return to_json({"deviceRequest": sent, "serverId": server, "clientId": client, **more})


def connection_event(server: str, client: str, device: str, action: str, data: Mapping[str, Any]) -> bytes:
    """That a device has connected, or has gone."""
    request = {"action": action, "deviceUid": device, "data": data}
    return request_envelope(server, client, request, event=True)


def is_list(framing: Framing, data: bytes) -> bool:
    """Whether a request's raw data is a list."""
    first = data[0]
    if framing is Framing.JSON_LINES:
        return first == _BRACKET
    return first & 0xF0 == _FIXARRAY or first in _ARRAYS


_BRACKET, _FIXARRAY, _ARRAYS = ord("["), 0x90, (0xDC, 0xDD)
