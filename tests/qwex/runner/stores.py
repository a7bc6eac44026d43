"""An artifact store as far as agents see it: something that takes what is put at an address."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Store(ThreadingHTTPServer):
    """Takes what is put, or answers as it is told."""

    def __init__(self, *answers, hold=False):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.taken = []
        self.places = set()
        self.asked, self.go = threading.Event(), threading.Event()
        if not hold:
            self.go.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/parcel-1?Signature=secret"


class _Handler(BaseHTTPRequestHandler):
    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.set()
        self.server.go.wait(60)
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200 and self.headers.get("If-None-Match") == "*" and self.path in self.server.places:
            status = 412
        if status == 200:
            self.server.taken.append(data)
            self.server.places.add(self.path)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def store(*answers, hold=False):
    server = Store(*answers, hold=hold)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.go.set()
        server.shutdown()
        server.server_close()
