"""The commands in the README of the Kubernetes manifests name what is there."""

import itertools
import re
from pathlib import Path

import pytest
from support.document_commands import typed
from support.manifest_processes import example_secrets
from support.manifests import EVERYTHING, FOLDER, Build, build, containers, pod_of

README = FOLDER / "README.md"
ROOT = FOLDER.parents[1]
TEXT = README.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build(EVERYTHING, tmp_path_factory.mktemp("tree"))


def after(words: list[str], flag: str) -> list[str]:
    return [value for word, value in itertools.pairwise(words) if word == flag]


def test_every_folder_is_there() -> None:
    """Of commands, and of the table."""
    paths = {w for words in typed(TEXT) for w in words if w.startswith("deployments/") and "{" not in w}
    assert paths
    assert not [path for path in paths if not (ROOT / path).exists()]
    named = set(re.findall(r"^\| `(\w+/[\w/-]*)`", TEXT, flags=re.MULTILINE))
    folders = {f.parent.relative_to(FOLDER) for f in FOLDER.rglob("kustomization.yaml")}
    told = {Path(name) for name in named} | {Path("components/keda-login")}
    assert {f for f in folders if f.name != "settings"} == told - {Path("schemas")}


def test_every_object_and_container_is_there(built: Build) -> None:
    """In the namespace that production is applied to, or in that of dev, which has the same consumers."""
    [space] = built.all("Namespace")
    for words in typed(TEXT):
        assert set(after(words, "-n")) <= {space["metadata"]["name"], "taosink-dev"}
        for word in words:
            if word.startswith("deployment/"):
                pod = pod_of(built.one("Deployment", word.partition("/")[2]))
                assert set(after(words, "-c")) <= {c["name"] for c in containers(pod)}


def test_the_secrets_that_it_makes_are_those_of_the_example() -> None:
    """By name and key."""
    made: dict[str, set[str]] = {}
    for words in typed(TEXT):
        if "create" in words:
            name = words[words.index("create") + 3]
            keys = {word.partition("=")[2] for word in words if word.startswith("--from-file=")}
            made[name] = keys or {"tls.crt", "tls.key"}
    assert made == {name: set(keys) for name, keys in example_secrets().items()}


def test_the_figures_are_those_of_the_manifests(built: Build) -> None:
    """Grace periods, limits, and the probes' time."""
    consumer = pod_of(built.one("Deployment", "taosink-consumer"))
    gateway = pod_of(built.one("Deployment", "taosink-ingress"))
    main = consumer["containers"][0]
    startup = main["startupProbe"]
    graces = (consumer["terminationGracePeriodSeconds"], gateway["terminationGracePeriodSeconds"])
    assert f"({graces[0]} s; gateways {graces[1]} s)" in TEXT
    assert f"memory limit ({main['resources']['limits']['memory']})" in TEXT
    assert f"startup probe ({startup['periodSeconds'] * startup['failureThreshold']} s)" in TEXT
