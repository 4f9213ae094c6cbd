"""What the processes of a build's containers are started with: arguments, variables, and the files at their paths."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import trustme
from support.manifests import FOLDER, Build, Manifest, containers, documents, pod_of

from taosink.config import MODELS, CommandSettings, Loaded, load
from taosink.settings.flags import parse_flags
from taosink.settings.spec import specs_of

DOCKERFILE = FOLDER.parent / "docker" / "Dockerfile"
SECRET = "a-secret-of-32-characters-or-so"
POD_IP = "10.1.2.3"


@dataclass(frozen=True)
class Process:
    """A container's process. `config` is None where it names no file. Paths are those on this machine."""

    name: str
    command: str
    flags: list[tuple[str, str]]
    environ: Mapping[str, str]
    config: str | None
    container: Manifest = field(repr=False)
    pod: Manifest = field(repr=False)

    @property
    def model(self) -> type[CommandSettings]:
        return MODELS[self.command]

    def load(self) -> Loaded[Any]:
        """As the process itself does it. Raises SettingsError."""
        return load(self.model, self.flags, config=self.config, environ=self.environ)


def processes(build: Build, scratch: Path) -> Iterator[Process]:
    """Every container of the build. Its mounts are made below `scratch`, with the ConfigMaps' own content and with
    made-up secrets under the keys of the example."""
    for workload in build.pods():
        pod = pod_of(workload)
        for container in containers(pod):
            name = f"{workload['metadata']['name']}/{container['name']}"
            yield _Making(build, pod, container, scratch / build.name / name).process(name)


class _Making:
    def __init__(self, build: Build, pod: Manifest, container: Manifest, root: Path) -> None:
        self._build, self._pod, self._container, self._root = build, pod, container, root
        self._mounts = {m["mountPath"]: m for m in container.get("volumeMounts", ())}

    def process(self, name: str) -> Process:
        environ = {key: self._here(value) for key, value in self._environ().items()}
        for path, mount in self._mounts.items():
            self._mount(path, mount)
        words = [self._here(word) for word in self._container["args"]]
        count = 2 if " ".join(words[:2]) in MODELS else 1
        command, rest = " ".join(words[:count]), words[count:]
        known = {flag: spec.kind == "bool" for spec in specs_of(MODELS[command]) for flag in spec.flags}
        parsed = parse_flags(rest, {**known, "config": False})
        assert not parsed.problems, f"{name}: {parsed.problems}"
        flags = [(flag, value) for flag, value in parsed.pairs if flag != "config"]
        config = dict(parsed.pairs).get("config")
        return Process(name, command, flags, environ, config, self._container, self._pod)

    def _here(self, text: str) -> str:
        """The same text with the container's mounted folders moved to where they were made."""
        # In one pass: this machine's own folder may stand below a path that is mounted, such as /tmp.
        paths = "|".join(map(re.escape, self._mounts)) or "(?!)"
        return re.sub(f"(?:{paths})(?=/)", lambda found: f"{self._root}{found[0]}", text)

    def _environ(self) -> dict[str, str]:
        found = dict(image_environ())
        for source in self._container.get("envFrom", ()):
            found |= self._build.one("ConfigMap", _plain(source["configMapRef"]["name"]))["data"]
        for variable in self._container.get("env", ()):
            text = _value(variable)
            # As Kubernetes does it: $(NAME) of variables above.
            for name, value in found.items():
                text = text.replace(f"$({name})", value)
            found[variable["name"]] = text
        return found

    def _mount(self, path: str, mount: Manifest) -> None:
        folder = Path(f"{self._root}{path}")
        folder.mkdir(parents=True)
        volume = next(v for v in self._pod["volumes"] if v["name"] == mount["name"])
        if "configMap" in volume:
            data = self._build.one("ConfigMap", _plain(volume["configMap"]["name"]))["data"]
        elif "secret" in volume:
            keys = example_secrets()[volume["secret"]["secretName"]]
            data = {key: certificates().get(key, SECRET) for key in keys}
        else:
            data = {}
        for name, text in data.items():
            (folder / name).write_text(self._here(text), encoding="utf-8")


def example_secrets() -> dict[str, dict[str, str]]:
    """The keys, with placeholders, of each Secret of the example."""
    text = (FOLDER / "secret.example.yaml").read_text(encoding="utf-8")
    return {secret["metadata"]["name"]: secret["stringData"] for secret in documents(text)}


@cache
def certificates() -> Mapping[str, str]:
    """By the key of a Secret: an authority, and what it signed."""
    authority = trustme.CA()
    server = authority.issue_cert("localhost")
    made = {
        "ca.crt": authority.cert_pem,
        "tls.crt": server.cert_chain_pems[0],
        "tls.key": server.private_key_pem,
    }
    return {key: blob.bytes().decode() for key, blob in made.items()}


@cache
def image_environ() -> Mapping[str, str]:
    """The settings that the image itself gives. They stand over the file, and below what a container sets."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    return dict(re.findall(r"^(?:ENV |    )(TAOSINK_\w+)=(\S+)", text, flags=re.MULTILINE))


def _plain(name: str) -> str:
    return name.rpartition("-")[0]


def _value(variable: Manifest) -> str:
    if "value" in variable:
        return str(variable["value"])
    source = variable["valueFrom"]
    if "secretKeyRef" in source:
        reference = source["secretKeyRef"]
        assert reference["key"] in example_secrets()[reference["name"]]
        return SECRET
    assert source["fieldRef"]["fieldPath"] == "status.podIP"
    return POD_IP
