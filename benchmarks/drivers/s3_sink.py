"""An S3 server that takes everything and keeps nothing, so that only the client is measured. Prints its port."""

from __future__ import annotations

import asyncio
import re
import sys

STARTED = b"<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>"
COMPLETED = b'<CompleteMultipartUploadResult><ETag>"0"</ETag></CompleteMultipartUploadResult>'
LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)


class Sink(asyncio.BufferedProtocol):
    """One connection; a body is received into the same memory again and again."""

    def __init__(self, delay):
        self.delay = delay
        self.memory = bytearray(1 << 20)
        self.head = b""
        self.left = 0

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, _):
        return self.memory

    def buffer_updated(self, size):
        if self.left:
            self.left -= size
            return self.left or self.finish()
        self.head += self.memory[:size]
        head, found, body = self.head.partition(b"\r\n\r\n")
        if not found:
            return None
        self.head = head
        length = LENGTH.search(head)
        self.left = int(length[1]) - len(body) if length else 0
        if b"100-continue" in head.lower():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self.left or self.finish()

    def finish(self):
        said, self.head = answer(*self.head.split(b" ", 2)[:2]), b""
        asyncio.get_running_loop().call_later(self.delay, self.transport.write, said)


def answer(method, path):
    if method in (b"HEAD", b"GET"):
        return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    body = b"" if method != b"POST" else COMPLETED if b"uploadId" in path else STARTED
    etag = b'etag: "0"\r\n' if method == b"PUT" else b""
    return b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (etag, len(body), body)


async def main(delay):
    server = await asyncio.get_running_loop().create_server(lambda: Sink(delay), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
