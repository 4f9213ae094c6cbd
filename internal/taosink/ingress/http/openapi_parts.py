"""Every path, status and form of the public listener, as OpenAPI objects."""

from typing import Any

from taosink.ingress.http.records_body import FORMS

Json = dict[str, Any]

_RETRY = {
    "retry-after": {
        "description": "Seconds until the same request is welcome.",
        "schema": {"type": "integer"},
    }
}
_CHALLENGE = {"www-authenticate": {"description": "RFC 6750's challenge.", "schema": {"type": "string"}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _told(text: str, schema: str, headers: Json | None = None) -> Json:
    found: Json = {"description": text, "content": {"application/json": {"schema": _ref(schema)}}}
    return {**found, "headers": headers} if headers else found


def _problem(text: str, headers: Json | None = None) -> Json:
    return _told(text, "Problem", headers)


def _outcome(text: str, headers: Json | None = None) -> Json:
    return _told(text, "Outcome", headers)


_DEFECT = _problem("A defect of the server; what was sent is safe to send again.")

_RECORD = {
    "type": "object",
    "required": ["Timestamp", "Cols"],
    "properties": {
        "DeviceID": {
            "type": "string",
            "minLength": 1,
            "description": "May be left out where the bearer token is one device's; then it is that device.",
        },
        "Timestamp": {
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339; up to nanoseconds. In MessagePack the timestamp extension (-1).",
        },
        "Cols": {
            "type": "array",
            "minItems": 1,
            "items": {"type": ["number", "string", "boolean", "null"]},
            "description": "The values in column order. Integers within 64 bits.",
        },
    },
    "additionalProperties": False,
    "examples": [
        {"DeviceID": "pump-7", "Timestamp": "2026-01-31T12:00:00.25Z", "Cols": [21.5, 3, "ok", None]}
    ],
}
_ONE_OR_MANY = {"oneOf": [_ref("Record"), {"type": "array", "minItems": 1, "items": _ref("Record")}]}
_BODIES: dict[str, Json] = {
    "json": {"schema": _ONE_OR_MANY},
    "ndjson": {
        "schema": {"type": "string", "description": "One Record a line; empty lines are passed over."}
    },
    "msgpack": {
        "schema": {
            "type": "string",
            "contentMediaType": "application/msgpack",
            "description": "A Record as a map, or an array of them.",
        }
    },
}

COMPONENTS: Json = {
    "securitySchemes": {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A device's token; by device secrets it is `device:secret`.",
        }
    },
    "schemas": {
        "Record": _RECORD,
        "Rejected": {
            "type": "object",
            "required": ["index", "status", "errorCode", "errorMessage"],
            "properties": {
                "index": {"type": "integer", "description": "Place of the record in the request, from 0."},
                "status": {"type": "integer", "description": "The status that it alone would have had."},
                "errorCode": {
                    "type": "string",
                    "description": "record_rejected, wrong_device: never send it again as it is. busy,"
                    " unknown_outcome: safe to send again.",
                },
                "errorMessage": {"type": "string"},
            },
        },
        "Outcome": {
            "type": "object",
            "required": ["accepted", "ack", "rejected"],
            "properties": {
                "accepted": {"type": "integer", "description": "Records acknowledged as `ack` says."},
                "ack": {"enum": ["kafka", "stored"]},
                "rejected": {"type": "array", "items": _ref("Rejected")},
                "errorCode": {"type": "string"},
                "errorMessage": {"type": "string"},
            },
        },
        "Problem": {
            "type": "object",
            "required": ["errorCode", "errorMessage"],
            "properties": {
                "errorCode": {"type": "string", "description": "A stable token for programs."},
                "errorMessage": {"type": "string"},
            },
        },
        "Message": {
            "type": "object",
            "required": ["username", "data", "send_time"],
            "properties": {
                "id": {"type": ["integer", "string"]},
                "username": {"type": "string"},
                "data": {"type": "string"},
                "send_time": {"type": ["string", "number"]},
            },
        },
        "Segment": {
            "type": "object",
            "required": ["segment_number", "total_segments", "username", "send_time", "payload"],
            "properties": {
                "segment_number": {"type": "integer", "minimum": 1},
                "total_segments": {"type": "integer", "minimum": 1},
                "username": {"type": "string"},
                "send_time": {"type": ["string", "number"]},
                "payload": {"type": "string"},
            },
        },
    },
}

_RECORDS: Json = {
    "post": {
        "operationId": "postRecords",
        "summary": "Readings, one or many, each with its own outcome.",
        "description": "Answered when the broker has acknowledged every record that is counted as accepted; with"
        " `ack=stored` when TDengine has. A request that was cut, or answered 5xx, is safe to send again.",
        "security": [{"bearer": []}, {}],
        "parameters": [
            {
                "name": "ack",
                "in": "query",
                "schema": {"enum": ["kafka", "stored"], "default": "kafka"},
                "description": "What an accepted record is known to be: in Kafka, or in TDengine.",
            },
            {
                "name": "device",
                "in": "query",
                "schema": {"type": "string"},
                "description": "The device of all records; needed where the application decides who may write.",
            },
            {
                "name": "Content-Encoding",
                "in": "header",
                "schema": {"enum": ["gzip", "identity"]},
                "description": "How the body is compressed.",
            },
        ],
        "requestBody": {
            "required": True,
            "content": {name: _BODIES[form] for name, form in FORMS.items()},
        },
        "responses": {
            "202": _outcome("All records are accepted."),
            "207": _outcome("Some are; the list says which are not, and why."),
            "400": {
                "description": "The body does not parse, or none of its records is one.",
                "content": {"application/json": {"schema": {"anyOf": [_ref("Problem"), _ref("Outcome")]}}},
            },
            "401": _problem("The bearer token is missing, wrong or expired.", _CHALLENGE),
            "403": {
                "description": "The token, or every record, is another device's.",
                "content": {"application/json": {"schema": {"anyOf": [_ref("Problem"), _ref("Outcome")]}}},
            },
            "408": _problem("Head or body did not come whole in time."),
            "413": _problem("The body is too large, as sent or inflated, or holds too many records."),
            "415": _problem("A content type or encoding that is not taken."),
            "429": _problem("Too many requests of this device, or in all.", _RETRY),
            "431": _problem("The head is too large."),
            "500": _DEFECT,
            "503": {
                "description": "Kafka takes nothing, or has not acknowledged in time, or the server is full.",
                "headers": _RETRY,
                "content": {"application/json": {"schema": {"anyOf": [_ref("Problem"), _ref("Outcome")]}}},
            },
        },
    }
}

_BODY_PROBLEMS: Json = {
    "408": _problem("Head or body did not come whole in time."),
    "413": _problem("The body is too large, as sent or inflated, or the text takes too many segments."),
    "415": _problem("A content encoding that is not taken."),
    "429": _problem("Too many requests are under way.", _RETRY),
    "431": _problem("The head is too large."),
    "500": _DEFECT,
}
_OPTIONS: Json = {"204": {"description": "What may be asked here: the Allow header."}}

PATHS: dict[str, Json] = {
    "/": {
        "get": {
            "operationId": "alive",
            "summary": "A page for people: the server is alive.",
            "responses": {
                "200": {"description": "It is.", "content": {"text/html": {"schema": {"type": "string"}}}}
            },
        }
    },
    "/records": _RECORDS,
    "/openapi.json": {
        "get": {
            "operationId": "openapi",
            "summary": "This description.",
            "responses": {
                "200": {
                    "description": "OpenAPI 3.1.",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                }
            },
        }
    },
    "/send": {
        "post": {
            "operationId": "sendMessage",
            "summary": "A text that is cut into segments and sent over the link.",
            "security": [{"bearer": []}, {}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Message")}}},
            "responses": {
                "200": {"description": "Queued; its segments are sent from now on."},
                "400": _problem("The body is no message."),
                "401": _problem("The bearer token is missing, wrong or expired.", _CHALLENGE),
                "403": _problem("The token is not the username's."),
                **_BODY_PROBLEMS,
                "503": _problem("As many segments wait for the link as there is room for.", _RETRY),
            },
        },
        "options": {"operationId": "sendOptions", "summary": "What may be asked.", "responses": _OPTIONS},
    },
    "/transfer": {
        "post": {
            "operationId": "transferSegment",
            "summary": "One segment from the link, into Kafka.",
            "security": [{"bearer": []}, {}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Segment")}}},
            "responses": {
                "200": {"description": "Kafka has acknowledged it."},
                "400": _problem("The body is no segment."),
                "401": _problem("The bearer token is missing, wrong or expired.", _CHALLENGE),
                "403": _problem("The token is refused."),
                **_BODY_PROBLEMS,
                "500": _problem("Kafka has not taken it; a second copy does no harm.", _RETRY),
                "503": _problem("Nobody could decide on the token in time, or the server is full.", _RETRY),
            },
        },
        "options": {"operationId": "transferOptions", "summary": "What may be asked.", "responses": _OPTIONS},
    },
}
