"""The doctor where this machine has a TDengine client: over the scripted libtaos, in a process of its own."""

from pathlib import Path

import pytest
from support import libtaos_standin

_CHECKS = """
from pydantic import SecretStr
from taosink.doctor.taos_checks import Taos, _guarded, _login, _other
from taosink.settings.connection import TaosSettings
from taosink.settings.doctor import DoctorSettings

def seen(uri):
    return Taos(DoctorSettings(taos=TaosSettings(uri=SecretStr(uri))), 5.0)

native, refused = seen("taos://root:taosdata@h:6030/db"), seen("taos://root:wrong@h:6030/db")
report["chosen"] = _guarded("database native", native, _login).line
report["refused"] = _guarded("database native", refused, _login).line
report["reached"] = [native.reached, refused.reached]
report["other"] = _other(seen("http://root:taosdata@h:6041/db")).line
report["other_refused"] = _other(seen("http://root:taosdata@fail-0x0020:6041/db")).line
"""


@pytest.mark.skipif(libtaos_standin.compiler() is None, reason="needs a C compiler for the scripted libtaos")
def test_the_native_driver_is_asked_in_use_or_not(tmp_path: Path) -> None:
    """In use a refusal is a fault; beside REST whatever it finds is only told."""
    report = libtaos_standin.run(libtaos_standin.build(tmp_path), _CHECKS)
    assert report["chosen"].startswith("ok")
    assert "logged in at taos://root@h:6030/db" in report["chosen"]
    assert report["refused"].startswith("failed")
    assert "(0x0357); check taos.user and taos.password" in report["refused"]
    assert report["reached"] == [True, False]
    assert report["other"].startswith("ok")
    assert report["other"].endswith("not in use")
    assert report["other_refused"].startswith("not checked")
