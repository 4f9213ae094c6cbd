"""Nobody may subscribe to his own dead letters."""

import pytest

from taosink.kafka.dead_letter_topics import (
    SubscriptionMatchesDeadLettersError,
    dead_letter_topics,
    refuse_own_topics,
)


@pytest.mark.parametrize(
    ("subscription", "dead_letters", "known"),
    [
        (["test", "test.dlq"], "", []),
        (["test", "broken"], "broken", []),
        (["^sensor"], "", []),
        (["^sensor-.*$"], "", []),
        (["^(a|b).+$"], "", []),
        (["^.*"], "broken", []),
        (["^sensor-[a-z.]+$"], "", ["sensor-a"]),
        (["test", "^.*dlq$"], "", []),
    ],
)
def test_a_subscription_that_reads_the_dead_letters_is_refused(
    subscription: list[str], dead_letters: str, known: list[str]
) -> None:
    """The error names both, before the first record is read."""
    with pytest.raises(SubscriptionMatchesDeadLettersError) as caught:
        refuse_own_topics(subscription, dead_letters=dead_letters, known_topics=known)
    assert caught.value.subscribed in subscription
    assert caught.value.subscribed in str(caught.value)


@pytest.mark.parametrize(
    ("subscription", "dead_letters", "known"),
    [
        (["test"], "", ["test", "test.dlq"]),
        (["test", "other.dlq"], "", []),
        (["^sensor-[0-9]+$"], "", ["sensor-1", "sensor-1.dlq"]),
        (["^(a|b)$"], "", ["a", "b"]),
        (["^sensor"], "broken", ["sensor-1"]),
        (["^([$"], "", []),
    ],
)
def test_any_other_subscription_is_taken(
    subscription: list[str], dead_letters: str, known: list[str]
) -> None:
    """A pattern with an end that no dead-letter topic has is fine."""
    refuse_own_topics(subscription, dead_letters=dead_letters, known_topics=known)


def test_the_topics_are_named_after_their_origin_unless_one_is_given() -> None:
    """A pattern's are not known before its first letter."""
    assert dead_letter_topics(["a", "b", "^c$"]) == ["a.dlq", "b.dlq"]
    assert dead_letter_topics(["a", "^c$"], dead_letters="broken") == ["broken"]
