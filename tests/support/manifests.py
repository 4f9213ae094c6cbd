"""The Kubernetes manifests as tests look at them: as files, and as kustomize builds them."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # ships no type information
from support.machine_tools import needed

import taosink

FOLDER = Path(__file__).parents[2] / "deployments" / "kubernetes"
PRODUCTION = "overlays/production"
OVERLAYS = ("base", "overlays/dev", PRODUCTION)
EVERYTHING = "production with every component"
"""Production with the lines that its kustomization offers in comments."""
GATEWAYS = {"base with gateways": "base", "dev with gateways": "overlays/dev"}
"""Others that somebody may put together: what stands there for gateways must be right too."""
BUILDS = (*OVERLAYS, *GATEWAYS, EVERYTHING)
OFFERED = "  # - ../../components/"
Manifest = dict[str, Any]


class _OnceLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # its base is untyped
    """Refuses a key that stands twice: the API server takes the last one and says nothing."""


def _mapping(loader: _OnceLoader, node: Any) -> dict[Any, Any]:
    merge = "tag:yaml.org,2002:merge"
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value if key.tag != merge]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{key!r} stands twice{node.start_mark}")
    return dict(loader.construct_mapping(node, deep=True))


_OnceLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def documents(text: str) -> list[Any]:
    """Every document of a YAML text, empty ones left out."""
    return [d for d in yaml.load_all(text, Loader=_OnceLoader) if d is not None]


@dataclass(frozen=True)
class Build:
    """What `kubectl apply` would get."""

    name: str
    manifests: tuple[Manifest, ...]

    def __repr__(self) -> str:
        return f"<Build {self.name}: {len(self.manifests)} manifests>"

    def all(self, kind: str) -> list[Manifest]:
        return [m for m in self.manifests if m["kind"] == kind]

    def one(self, kind: str, name: str) -> Manifest:
        """Raises KeyError where there is none; a ConfigMap's name may go on with the hash of its content."""
        for manifest in self.all(kind):
            found = manifest["metadata"]["name"]
            if found == name or (kind == "ConfigMap" and found.rpartition("-")[0] == name):
                return manifest
        raise KeyError(f"no {kind} {name} in {self.name}")

    @property
    def has_gateways(self) -> bool:
        return any(m["metadata"]["name"] == "taosink-ingress" for m in self.all("Deployment"))

    def pods(self) -> Iterator[Manifest]:
        """Workloads: manifests whose `spec.template` is a pod's."""
        return (m for m in self.manifests if "template" in m.get("spec", {}))


def kustomized(folder: Path) -> list[Manifest]:
    """Builds a folder. Skips the test where no kustomize is there; raises AssertionError with its own words where
    it refuses the folder."""
    program = needed("kubectl", "kustomize")
    words = [program, "kustomize" if Path(program).name == "kubectl" else "build", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"kustomize warns: {done.stderr}"
    return documents(done.stdout)


@cache
def build(name: str, scratch: Path) -> Build:
    """One of BUILDS. `scratch` is an empty folder for those that are put together here."""
    if name in GATEWAYS:
        folder = with_gateways(scratch, GATEWAYS[name])
    else:
        folder = offered(scratch) if name == EVERYTHING else FOLDER / name
    return Build(name, tuple(kustomized(folder)))


def offered(scratch: Path) -> Path:
    """A copy of the tree whose production overlay has every component; returns the overlay."""
    shutil.copytree(FOLDER, scratch / "tree", dirs_exist_ok=True)
    overlay = scratch / "tree" / PRODUCTION
    file = overlay / "kustomization.yaml"
    text = file.read_text(encoding="utf-8")
    assert OFFERED in text, "the production overlay offers no component in a comment any more"
    file.write_text(text.replace(OFFERED, OFFERED.replace("# ", "")), encoding="utf-8")
    return overlay


def with_gateways(scratch: Path, below: str) -> Path:
    """A copy of the tree and an overlay that puts the gateways onto `below`; returns the overlay."""
    shutil.copytree(FOLDER, scratch / "tree", dirs_exist_ok=True)
    overlay = scratch / "tree" / "overlay"
    overlay.mkdir()
    lines = [
        f"namespace: {below.rpartition('/')[2]}",
        f"resources: [../{below}]",
        "components: [../components/ingress]",
        f"images: [{{name: taosink, newTag: {taosink.__version__}}}]",
    ]
    (overlay / "kustomization.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return overlay


def pod_of(workload: Manifest) -> Manifest:
    """The pod's own spec."""
    return dict(workload["spec"]["template"]["spec"])


def containers(pod: Mapping[str, Any]) -> list[Manifest]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


def bytes_of(quantity: str) -> int:
    """A quantity of memory as Kubernetes writes it."""
    for unit, factor in (("Ki", 2**10), ("Mi", 2**20), ("Gi", 2**30)):
        if quantity.endswith(unit):
            return int(quantity.removesuffix(unit)) * factor
    return int(quantity)


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector of `matchLabels` alone takes these labels; an empty one would take everything."""
    assert set(selector) == {"matchLabels"}, selector
    wanted = selector["matchLabels"]
    assert wanted
    return all(labels.get(name) == value for name, value in wanted.items())
