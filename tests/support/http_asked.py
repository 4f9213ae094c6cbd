"""A question by HTTP, answered whatever its status."""

import json
import urllib.error
import urllib.request
from typing import Any


def asked(url: str, *, method: str = "GET", token: str = "") -> tuple[int, Any]:
    """Status and body: JSON where it is some, else text. `token` is sent as a bearer's."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        body = answer.read()
        kind = answer.headers.get_content_type()
        return answer.status, json.loads(body) if kind == "application/json" else body.decode()
