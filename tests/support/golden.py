"""Plays recorded transcripts against a server of TDengine's REST protocol and tells what differs."""

import base64
import gzip
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

HERE = Path(__file__).resolve().parents[1] / "contract" / "golden"
REST, FORMS = "rest-transcripts.jsonl", "statement-forms.jsonl"
_BIG_BYTES = {"BIG_OK": 1_048_576, "BIG_OVER": 1_048_577}

Step = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    file: str
    name: str
    precision: str
    keep: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One step whose answer is not alike."""

    scenario: str
    step: int
    statement: str
    wanted: Any
    got: Any

    def __str__(self) -> str:
        wanted, got = (json.dumps(v, ensure_ascii=False)[:600] for v in (self.wanted, self.got))
        return (
            f"{self.scenario} step {self.step}: {self.statement[:200]!r}\n  wanted {wanted}\n  got    {got}"
        )


def folder() -> Path:
    """TAOSINK_TEST_GOLDEN, else the copy in this tree."""
    return Path(os.environ.get("TAOSINK_TEST_GOLDEN") or HERE)


def scenarios(path: Path) -> Iterator[Scenario]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            it = json.loads(line)
            yield Scenario(path.name, it["scenario"], it["precision"], it["keep"], tuple(it["steps"]))


def unserved() -> dict[tuple[str, int], str]:
    """(scenario, step) -> reason, from the one list."""
    listed = tomllib.loads((HERE / "unserved.toml").read_text(encoding="utf-8")).get("step", [])
    return {(it["scenario"], it["step"]): it["reason"] for it in listed}


class Player:
    """One server, one keep-alive connection; close it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._base = f"{parts.scheme}://{parts.hostname}:{parts.port or 6041}"
        self._login = f"{parts.username or 'root'}:{parts.password or 'taosdata'}"
        self._http = urllib3.PoolManager(retries=False)

    def close(self) -> None:
        self._http.clear()

    def play(self, scenario: Scenario, database: str) -> list[Mismatch]:
        """Runs a scenario in a database of its own and drops it."""
        plain: Step = {"path_db": False}
        self._post(f"drop database if exists `{database}`", plain, database)
        options = f"precision '{scenario.precision}' vgroups 1 {scenario.keep}"
        made = self._post(f"create database `{database}` {options}", plain, database)
        assert made["body"]["code"] == 0, made
        try:
            found = []
            for index, step in enumerate(scenario.steps):
                statement = _statement(step).replace("{db}", database)
                wanted = json.loads(json.dumps(step["answer"]).replace("{db}", database))
                got = self._post(statement, step, database)
                if not alike(wanted, got, masked=step.get("masked", False)):
                    found.append(Mismatch(scenario.name, index, statement, wanted, got))
            return found
        finally:
            self._post(f"drop database if exists `{database}`", plain, database)

    def _post(self, statement: str, step: Step, database: str) -> dict[str, Any]:
        path = "/rest/sql"
        if "url_db" in step:
            path += "/" + step["url_db"]
        elif step.get("path_db", True):
            path += "/" + database
        if "query" in step:
            path += "?" + step["query"]
        headers = dict(self._authorization(step.get("auth", "basic")))
        body = statement.encode()
        if step.get("gzip"):
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        if step.get("accept_gzip"):
            headers["Accept-Encoding"] = "gzip"
        response = self._http.request(
            step.get("method", "POST"), self._base + path, body=body, headers=headers
        )
        kind = response.headers.get("content-type", "")
        return {
            "status": response.status,
            "content_type": kind,
            "content_encoding": response.headers.get("content-encoding"),
            "body": json.loads(response.data) if "json" in kind else response.data.decode(),
        }

    def _authorization(self, auth: str) -> Mapping[str, str]:
        user = self._login.split(":")[0]
        logins = {"basic": self._login, "wrong": f"{user}:wrong", "nouser": "nosuchuser:x"}
        if auth == "malformed":
            return {"Authorization": "Basic !!!"}
        if auth not in logins:
            return {}
        return {"Authorization": "Basic " + base64.b64encode(logins[auth].encode()).decode()}


def _statement(step: Step) -> str:
    text = str(step["sql"] if "sql" in step else step["raw"])
    size = _BIG_BYTES.get(text)
    if size is None:
        return text
    head = "insert into d1 using stb (device) tags ('d1') (ts,col0,col3) values "
    parts, length, index = [head], len(head), 0
    while length + len(row := f"({1700000000000 + index},1,'x')") <= size:
        parts.append(row)
        length, index = length + len(row), index + 1
    return "".join(parts).ljust(size)


def alike(wanted: Mapping[str, Any], got: Mapping[str, Any], *, masked: bool = False) -> bool:
    """Status, kind of body, encoding, code, names and types of columns, and data where it is recorded."""
    if any(wanted[key] != got[key] for key in ("status", "content_encoding")):
        return False
    left, right = wanted["body"], got["body"]
    if not isinstance(left, dict) or not isinstance(right, dict):
        return bool(left == right)
    if left["code"] != right["code"]:
        return False
    if "column_meta" not in left:
        return "column_meta" not in right
    if [c[:2] for c in left["column_meta"]] != [c[:2] for c in right.get("column_meta", [])]:
        return False
    return masked or _same(left.get("data"), right.get("data"))


def _same(left: Any, right: Any) -> bool:
    """Equal as JSON: true is not 1, and 1 is 1.0."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)
