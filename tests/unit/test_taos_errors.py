"""The table of error numbers: each has its class, in every form in which a driver reports it."""

import pytest
from structlog.testing import capture_logs

from taosink.taos.errors import CLASS_OF, ErrorClass, Local, TaosError, classify, report_unknown

EXPECTED = {
    ErrorClass.UNAVAILABLE: """000B 0015 0018 0019 0020 0021 0022 0023 0024 0213 0102 0111 0125 0126 012C 0130
        0131 032C 032D 0386 0396 03D3 03D5 03D7 0408 0503 0520 0522 0528 0529 0903 090C 0911 0914 0916 0917
        0918 09FF 2402""",
    ErrorClass.REFRESH: "061B 03C6 0618 0600 264B 2662",
    ErrorClass.FULL: "0129 012B 012E 0613 2208 0808 0809 0334 03B1 03BA",
    ErrorClass.SCHEMA_GAP: "0388 0362 061A 2603 0217 0380 2616",
    ErrorClass.ROW_SCHEMA: "2602 2653 260D 263F",
    ErrorClass.DDL_RACE: "0381 0360 0603 0369 036B",
    ErrorClass.POISON: """0216 060B 0127 0224 266A 267B 267C 2617 061D 3002 3004 0200 2600 2601 263C 263D 263E
        2640 2641 2642 2643""",
    ErrorClass.TOO_LONG: "0219",
    ErrorClass.FATAL: """0350 0351 0352 0353 0354 0355 0356 0357 0358 0134 0303 0512 2644 0800
        1105 1122 1124""",
}
CASES = [(int(code, 16), kind) for kind, codes in EXPECTED.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "kind"), CASES, ids=lambda v: f"{v:04X}" if isinstance(v, int) else str(v))
def test_each_number_has_its_class(code: int, kind: ErrorClass) -> None:
    """The low 16 bits decide: REST's decimal and libtaos's signed 32-bit number mean the same."""
    assert classify(code) is kind
    assert classify(code | 0x8000_0000) is kind
    assert classify((code | 0x8000_0000) - (1 << 32)) is kind


def test_the_table_holds_no_number_that_is_not_listed_here() -> None:
    """A number gets its class here and there, or in neither."""
    assert {code for code in CLASS_OF if code <= 0xFFFF} == {code for code, _ in CASES}
    assert len(CASES) == len(dict(CASES))


@pytest.mark.parametrize("code", [0x0001, 0x7ABC, 0xFFFF, 0x2662 + 0x1000])
def test_other_numbers_are_unknown(code: int) -> None:
    """Unknown is its own class: never poison."""
    assert classify(code) is ErrorClass.UNKNOWN


def test_numbers_of_this_side_never_meet_the_servers() -> None:
    """A local number keeps all its bits."""
    assert all(code > 0xFFFF for code in Local)
    assert TaosError(Local.CONNECT, "x").code == Local.CONNECT
    assert classify(Local.TLS) is ErrorClass.FATAL


def test_an_error_says_number_server_words_and_what_it_means_for_the_data() -> None:
    """One line that an operator can act on."""
    error = TaosError(-2147482752, "Database not exist", "http://root@h:6041/db")
    assert (error.code, error.kind) == (0x0380, ErrorClass.SCHEMA_GAP)
    assert "0x0380" in str(error)
    assert "http://root@h:6041/db" in str(error)
    assert "nothing is lost" in str(error)
    assert "schema_gap" in repr(error)


def test_an_unknown_number_is_reported_once_per_process() -> None:
    """One WARN names the number and asks for a report."""
    with capture_logs() as logs:
        report_unknown(TaosError(0x7A01, "odd"))
        report_unknown(TaosError(0x7A01, "odd"))
        report_unknown(TaosError(0x7A02, "odd"))
    assert [entry["code"] for entry in logs] == ["0x7A01", "0x7A02"]
    assert all("report" in entry["todo"] for entry in logs)
