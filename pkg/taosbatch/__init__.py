"""The mechanism: a byte-bounded batch queue, offset tracking, INSERT building and a worker pool.

No Kafka, no driver, no settings, no logging framework: values and `now` go in, decisions come out.
"""
