"""`taosink doctor`: runs the checks of both sides at once, tells each as it is known, and answers with a code."""

import json
import queue
import sys
import threading
import time
from collections.abc import Iterator

from taosink.doctor.findings import SETTINGS, Finding, failed, ok, summary, verdict
from taosink.doctor.kafka_checks import Kafka, check_kafka
from taosink.doctor.row_checks import check_rows
from taosink.doctor.taos_checks import Taos, check_taos
from taosink.preflight import Refused, check_settings
from taosink.settings.doctor import DoctorSettings

Side = queue.SimpleQueue[Finding | BaseException | None]
"""What one side's thread has found; None is its end."""


def run_doctor(settings: DoctorSettings) -> int:
    """Nothing is written, joined or committed. Exit code: 0 nothing failed, 6 something did, 1 the settings.

    Blocks for a few times `doctor.timeout` at most, whatever does not answer.
    """
    found: list[Finding] = []
    for finding in examine(settings):
        found.append(finding)
        if not settings.check.as_json:
            _say(finding.line)
    code = verdict(found)
    if settings.check.as_json:
        told = {"exit_code": code, "findings": [f.as_json() for f in found]}
        _say(json.dumps(told, ensure_ascii=False))
    else:
        _say(summary(found))
    return code


def examine(settings: DoctorSettings) -> Iterator[Finding]:
    """Every finding, as soon as those before it are told. Both sides are asked at the same time."""
    try:
        check_settings(settings)
    except Refused as refusal:
        yield failed(SETTINGS, str(refusal), "mend them; nothing else was checked")
        return
    yield ok(SETTINGS, f"topic {', '.join(settings.group.topic)} as group {settings.group.name}")
    timeout = settings.check.timeout
    kafka, taos = Kafka(settings, timeout, settings.check.sample), Taos(settings, timeout)
    sides = [_begin(check_kafka(kafka)), _begin(check_taos(taos))]
    for side in sides:
        yield from _follow(side)
    yield from check_rows(kafka, taos, time.time())


def _begin(findings: Iterator[Finding]) -> Side:
    """Works them out on a thread of their own."""
    side: Side = queue.SimpleQueue()

    def run() -> None:
        try:
            for finding in findings:
                side.put(finding)
            side.put(None)
        except BaseException as error:  # noqa: BLE001 - a defect, raised again where it is waited for
            side.put(error)

    threading.Thread(target=run, name="doctor-side", daemon=True).start()
    return side


def _follow(side: Side) -> Iterator[Finding]:
    while (found := side.get()) is not None:
        if isinstance(found, BaseException):
            raise found
        yield found


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
