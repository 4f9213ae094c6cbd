"""The settings of `taosink doctor`: the consumer's own, and how the answer is told."""

from typing import ClassVar

from taosink.settings.consumer import ConsumerSettings
from taosink.settings.kinds import Count, Flag, Seconds
from taosink.settings.spec import Group, setting


class CheckSettings(Group):
    """How it is checked, and told."""

    heading: ClassVar[str] = "Doctor"

    timeout: Seconds = setting(
        "doctor.timeout", "5s", "Longest time for one check.", kind="duration", short="timeout"
    )
    sample: Count = setting(
        "doctor.sample",
        20,
        "Records of the topic's end that are tried against the database's columns, a partition.",
        kind="number",
        le=1000,
    )
    as_json: Flag = setting("doctor.json", False, "Print one JSON object.", kind="bool", short="json")


class DoctorSettings(ConsumerSettings):
    """Everything that `taosink doctor` can be told."""

    check: CheckSettings = CheckSettings()
