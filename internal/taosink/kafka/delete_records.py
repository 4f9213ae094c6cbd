"""Deletes the beginning of partitions, up to an offset."""

from collections.abc import Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from taosink.kafka.topics import AdminUnsupportedError, BrokerUnreachableError, admin_client, failure

TIMEOUT = 10.0


def delete_before(
    properties: Mapping[str, Any], topic: str, offsets: Mapping[int, int], *, timeout: float = TIMEOUT
) -> dict[int, int]:
    """Deletes everything before these offsets (partition -> offset); returns the first ones left.

    Blocks for up to `timeout` seconds. Raises AdminUnsupportedError, BrokerUnreachableError or TopicError.
    """
    admin = admin_client(properties)
    wanted = [TopicPartition(topic, p, offset) for p, offset in offsets.items()]
    try:
        # A client that is not connected yet asks again only after a second.
        admin.list_topics(timeout=timeout)
        futures = admin.delete_records(wanted, request_timeout=timeout, operation_timeout=timeout)
        return {tp.partition: future.result(timeout + 1).low_watermark for tp, future in futures.items()}
    except FutureTimeoutError:
        raise BrokerUnreachableError(topic, KafkaError._TIMED_OUT, "_TIMED_OUT", "no answer") from None
    except KafkaException as error:
        found = failure(topic, error)
        if isinstance(found, AdminUnsupportedError):
            reason = "deleting records is not supported by this broker; delete the topic instead"
            raise AdminUnsupportedError(topic, found.code, found.name, reason) from error
        raise found from error
