"""A database that acknowledges every INSERT at once, so that a benchmark measures the consumer alone.

All other statements are answered by an embedded database, so that the consumer starts as it would anywhere.
Prints its URL as its first line; GET /-/inserts says how many bytes and statements came and when the first did.
"""

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

ACK = json.dumps({"code": 0, "column_meta": [["affected_rows", "INT", 4]], "data": [[1]], "rows": 1}).encode()


class AckServer:
    def __init__(self, upstream: str) -> None:
        found = urlsplit(upstream)
        self.upstream = (found.hostname or "127.0.0.1", found.port or 6041)
        self.statements = 0
        self.bytes = 0
        self.first_at = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _content_length(head)
                body = await reader.readexactly(length)
                writer.write(_response(await self._answer(head, body)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET /-/inserts"):
            return json.dumps(
                {"statements": self.statements, "bytes": self.bytes, "first_at": self.first_at}
            ).encode()
        if body[:6].upper() != b"INSERT":
            return await self._forward(head, body)
        self.first_at = self.first_at or time.time()
        self.statements += 1
        self.bytes += len(body)
        return ACK

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self.upstream)
        writer.write(head + body)
        answer_head = await reader.readuntil(b"\r\n\r\n")
        answer = await reader.readexactly(_content_length(answer_head))
        writer.close()
        await writer.wait_closed()
        return answer


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def _response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


async def main(upstream: str) -> None:
    ack = AckServer(upstream)
    server = await asyncio.start_server(ack.serve, "127.0.0.1", 0, limit=4 * 1024 * 1024)
    host, port = server.sockets[0].getsockname()[:2]
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
