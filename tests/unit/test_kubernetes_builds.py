"""The Kubernetes manifests build, and a strict API server would take them."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from support.manifest_schemas import NEWEST, OLDEST, OURS, problems
from support.manifests import BUILDS, FOLDER, Build, Manifest, build, documents, kustomized

import taosink

TRIAL = FOLDER / "trial"


@pytest.fixture(scope="module", params=BUILDS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build(request.param, tmp_path_factory.mktemp("tree"))


def kustomizations() -> Iterator[tuple[Path, Manifest]]:
    for file in sorted(FOLDER.rglob("kustomization.yaml")):
        [document] = documents(file.read_text(encoding="utf-8"))
        yield file.parent, document


def named(document: Manifest) -> list[str]:
    """The files and folders that a kustomization names."""
    generators = document.get("configMapGenerator", [])
    return [
        *document.get("resources", []),
        *document.get("components", []),
        *(p["path"] for p in document.get("patches", []) if "path" in p),
        *(name for g in generators for name in (*g.get("envs", []), *g.get("files", []))),
    ]


def whole_manifests() -> list[Any]:
    """Manifests that stand in files whole, which patches do not."""
    found = [
        pytest.param(manifest, id=f"{(folder / name).relative_to(FOLDER)}-{n}")
        for folder, document in kustomizations()
        for name in document.get("resources", [])
        if name.endswith(".yaml")
        for n, manifest in enumerate(documents((folder / name).read_text(encoding="utf-8")))
    ]
    example = documents((FOLDER / "secret.example.yaml").read_text(encoding="utf-8"))
    return found + [pytest.param(m, id=f"secret.example.yaml-{n}") for n, m in enumerate(example)]


def test_every_manifest_of_every_build_is_valid(built: Build) -> None:
    """Against the schemas of the oldest and the newest Kubernetes that they are for; unknown fields count."""
    found = {
        (manifest["kind"], manifest["metadata"]["name"], version): wrong
        for manifest in built.manifests
        for version in (OLDEST, NEWEST)
        if (wrong := problems(manifest, version))
    }
    assert not found


WHOLE = whole_manifests()


@pytest.mark.parametrize("manifest", WHOLE)
def test_every_file_is_valid(manifest: Manifest) -> None:
    """Also where no kustomize is on the machine."""
    assert not problems(manifest)


def test_everything_is_in_one_namespace(built: Build) -> None:
    """The one that the build makes, with pods restricted."""
    [space] = built.all("Namespace")
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    spaces = {m["metadata"].get("namespace") for m in built.manifests if m is not space}
    assert spaces == {space["metadata"]["name"]}


def test_no_build_holds_a_secret(built: Build) -> None:
    """Secrets are made beside: whatever stood here would be in a repository."""
    assert not built.all("Secret")


@pytest.mark.parametrize(
    ("kind", "path", "wrong"),
    [
        ("Deployment", "spec.template.spec.containers.0.readynessProbe", {}),
        ("Deployment", "spec.template.spec.terminationGracePeriodSecond", 40),
        ("Deployment", "spec.strategy.rollingUpdate.maxsurge", 0),
        ("NetworkPolicy", "spec.egres", []),
        ("PodDisruptionBudget", "spec.maxUnavaliable", 1),
        ("Service", "spec.externalTrafficPolcy", "Local"),
        ("ScaledObject", "spec.maxReplicas", 3),
        ("ScaledObject", "spec.triggers.0.metadata.lagTreshold", "3"),
        ("ScaledObject", "spec.triggers.0.metadata.allowIdleConsumers", False),
        ("ScaledObject", "spec.triggers.0.metadata.offsetResetPolicy", "newest"),
        ("TriggerAuthentication", "spec.secretTargetRef.0.parameter", "user"),
        ("PodMonitor", "spec.podMetricsEndpoints.0.intervall", "15s"),
        ("PodMonitor", "spec.podMetricsEndpoints.0.interval", "15 s"),
    ],
)
def test_a_typo_is_refused(kind: str, path: str, wrong: Any) -> None:
    """A field that nobody knows, and a value of the wrong type or of no choice."""
    manifest = deepcopy(next(p.values[0] for p in WHOLE if p.values[0]["kind"] == kind))
    assert not problems(manifest)
    *above, last = path.split(".")
    place: Any = manifest
    for step in above:
        place = place[int(step) if step.isdecimal() else step]
    place[last] = wrong
    assert len(problems(manifest)) == 1


def test_a_key_that_stands_twice_is_refused() -> None:
    """YAML's own reader takes the last one and says nothing."""
    with pytest.raises(ValueError, match="'a' stands twice"):
        documents("a: 1\na: 2\n")


def test_every_file_is_used_and_every_name_is_there() -> None:
    """A file that no kustomization names does nothing, whatever it says."""
    used = {FOLDER / "README.md", FOLDER / "secret.example.yaml", *OURS.iterdir()}
    for folder, document in kustomizations():
        used |= {folder / "kustomization.yaml"}
        for name in named(document):
            place = (folder / name).resolve()
            assert place.exists(), f"{folder}: {name}"
            used.add(place)
    scripts = set(FOLDER.glob("*.py"))
    assert {f for f in FOLDER.rglob("*") if f.is_file() and "__pycache__" not in f.parts} - scripts <= used


def test_our_schemas_are_strict() -> None:
    """An object that takes any field would let a typo pass; labels and annotations alone are open."""

    def loose(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            if schema.get("type") == "object" and "additionalProperties" not in schema:
                yield json.dumps(schema)[:80]
            for value in schema.values():
                yield from loose(value)
        elif isinstance(schema, list):
            for value in schema:
                yield from loose(value)

    files = sorted(OURS.glob("*.json"))
    assert files
    assert not [found for file in files for found in loose(json.loads(file.read_text(encoding="utf-8")))]


def test_the_image_is_of_this_release(built: Build) -> None:
    """Every container runs one image, and its tag is the version that the settings were checked against."""
    images = {
        container["image"]
        for workload in built.pods()
        for key in ("initContainers", "containers")
        for container in workload["spec"]["template"]["spec"].get(key, ())
    }
    assert images == {f"taosink:{taosink.__version__}"}


def test_the_trial_builds() -> None:
    """Both servers, each with its Service, in its own namespace."""
    kinds = sorted((m["kind"], m["metadata"].get("namespace", "")) for m in kustomized(TRIAL))
    assert kinds == [
        (kind, space)
        for kind in ("Deployment", "Namespace", "Service")
        for space in (("", "") if kind == "Namespace" else ("kafka", "tdengine"))
    ]


def test_the_trials_servers_are_those_of_compose() -> None:
    """Where dev looks for them, with the images that were chosen for docker-compose.yml; nothing is said twice."""
    manifests = [
        m for name in ("kafka", "tdengine") for m in documents((TRIAL / f"{name}.yaml").read_text("utf-8"))
    ]
    compose = documents((FOLDER.parents[1] / "docker-compose.yml").read_text(encoding="utf-8"))[0]["services"]
    dev = (FOLDER / "overlays/dev/settings").resolve()
    for name, file in (("kafka", "kafka.env"), ("tdengine", "taosink.toml")):
        service = next(m for m in manifests if m["kind"] == "Service" and m["metadata"]["name"] == name)
        address = f"{name}.{service['metadata']['namespace']}.svc:{service['spec']['ports'][0]['port']}"
        assert address in (dev / file).read_text(encoding="utf-8")
        server = next(m for m in manifests if m["kind"] == "Deployment" and m["metadata"]["name"] == name)
        pod = server["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert container["image"] == re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", compose[name]["image"])
        assert pod["enableServiceLinks"] is False
        given = {v["name"]: v["value"] for v in container["env"]}
        theirs = {key: str(value) for key, value in compose[name]["environment"].items()}
        assert set(given) <= set(theirs)
        placed = {"KAFKA_CONTROLLER_QUORUM_VOTERS", *(k for k in given if "LISTENER" in k)}
        same = {key for key in set(given) - placed if "${" not in theirs[key]}
        assert {key: given[key] for key in same} == {key: theirs[key] for key in same}
