"""The OpenAPI description says what there is, and all of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.responses import Response
from starlette.routing import Route
from support.http_rig import Shelf, Tokens, Well, metrics, serving

from taosink.ingress.http.openapi import description
from taosink.ingress.http.openapi_parts import COMPONENTS, PATHS
from taosink.ingress.http.public import PublicDeps, make_public
from taosink.ingress.http.segments import SegmentDeps, routes


class Link:
    """A link that takes everything."""

    def offer(self, name: str, sender: str, bodies: list[bytes]) -> bool:
        del name, sender, bodies
        return True


def all_routes() -> list[Route]:
    return routes(SegmentDeps(authenticator=Tokens(), metrics=metrics(), put=lambda *_: False, link=Link()))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for item in node.values():
            yield from references(item)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


@pytest.mark.parametrize("extra", [[], ["segments"]])
def test_exactly_the_routes_are_described(extra: list[str]) -> None:
    """Each path with each of its methods, and no other; with the segment calls where they are there."""
    deps = PublicDeps(
        publishing=Shelf(),
        authenticator=Tokens(),
        metrics=metrics(),
        health=Well(),
        extra=all_routes() if extra else (),
    )
    with serving(lambda: make_public(deps).app) as listener:
        told = json.loads(listener.get("/openapi.json")[1])
        for path, methods in told["paths"].items():
            answer = listener.http.request("PUT", path)
            allowed = {method.strip().lower() for method in answer.headers["allow"].split(",")}
            assert answer.status == 405
            assert allowed - {"head"} == set(methods)
    expected = {"/", "/records", "/openapi.json"} | ({"/send", "/transfer"} if extra else set())
    assert set(told["paths"]) == expected


def test_a_route_that_is_not_described_is_a_defect() -> None:
    """The listener cannot be built with it."""

    async def secret(_: object) -> Response:
        raise NotImplementedError

    with pytest.raises(KeyError):
        description(Route("/secret", secret).path for _ in range(1))


def test_the_description_is_whole() -> None:
    """Version, unique operation ids, references that lead somewhere, forms that are all used."""
    told = description(PATHS)
    assert told["openapi"] == "3.1.0"
    assert told["info"]["title"]
    assert told["info"]["version"]
    operations = [operation for methods in PATHS.values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert all(
            code.isdecimal() and answer["description"] for code, answer in operation["responses"].items()
        )
        assert any(code.startswith("2") for code in operation["responses"])
    schemas = {f"#/components/schemas/{name}" for name in COMPONENTS["schemas"]}
    assert set(references(told)) == schemas
    assert json.loads(json.dumps(told)) == told


def test_every_status_of_records_is_described() -> None:
    """Those that the call can give, by the code that gives them."""
    assert set(PATHS["/records"]["post"]["responses"]) == {
        *("202", "207", "400", "401", "403", "408", "413", "415", "429", "431", "500", "503")
    }
