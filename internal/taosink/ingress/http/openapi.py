"""The OpenAPI 3.1 description of the public listener (https://spec.openapis.org/oas/v3.1.0)."""

from collections.abc import Iterable
from typing import Any

from taosink import __version__
from taosink.ingress.http.openapi_parts import COMPONENTS, PATHS

Json = dict[str, Any]


def description(paths: Iterable[str]) -> Json:
    """Of these paths, in their order. KeyError for one that is not described: it must not go unsaid."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "taosink ingress",
            "version": __version__,
            "description": "Readings of devices, into Apache Kafka and on into TDengine.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {path: PATHS[path] for path in paths},
        "components": COMPONENTS,
    }
