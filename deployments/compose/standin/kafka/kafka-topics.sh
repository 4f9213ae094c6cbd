#!/usr/bin/env bash
# Several options in one variable, as Kafka's own scripts take them.
# shellcheck disable=SC2086
exec java ${KAFKA_HEAP_OPTS:-} -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=error org.apache.kafka.tools.TopicCommand "$@"
