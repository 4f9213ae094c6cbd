"""Strict checks of manifests: Kubernetes' own schemas, and those beside the manifests for custom resources."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # ships no type information
from referencing import Registry, Resource
from support.manifests import FOLDER, Manifest

NEWEST, OLDEST = "1.37.0", "1.30.0"
"""Versions of Kubernetes that the manifests are for."""
OURS = FOLDER / "schemas"


def problems(manifest: Manifest, version: str = NEWEST) -> list[str]:
    """What a strict API server of that version would refuse, one line each. Unknown fields count."""
    return [f"{e.json_path}: {e.message}" for e in _validator(manifest, version).iter_errors(manifest)]


def _validator(manifest: Manifest, version: str) -> Any:
    group, _, api = manifest["apiVersion"].rpartition("/")
    kind = manifest["kind"].lower()
    name = f"{kind}-{group.partition('.')[0]}-{api}.json" if group else f"{kind}-{api}.json"
    own = OURS / f"{kind}_{api}.json"
    return _of_ours(own.name) if own.exists() else _of_kubernetes(name, version)


@cache
def _of_ours(name: str) -> Any:
    schema = json.loads((OURS / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@cache
def _of_kubernetes(name: str, version: str) -> Any:
    return jsonschema.Draft202012Validator(_shipped(name, version), registry=_registry(version))


@cache
def _registry(version: str) -> Any:
    # It refers to itself by the address that it carries, and kinds refer to it so.
    definitions = Resource.from_contents(_shipped("_definitions.json", version))
    return definitions @ Registry()


def _shipped(name: str, version: str) -> Any:
    """Raises FileNotFoundError where this version knows no such kind."""
    place = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}-local-strict" / name
    return json.loads(place.read_text(encoding="utf-8"))
