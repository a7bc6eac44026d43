"""Bytes on their way to an address that takes one object with PUT, and needs no credentials."""

from __future__ import annotations

import _thread
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

__all__ = ["MOST", "Sending", "put"]

#: Bytes that a store takes in one request (Amazon's limit).
MOST = 5 << 30
_CHUNK = 1 << 20
#: Seconds in which the store takes the next bytes, or answers; and before each further try.
_SECONDS, _AGAIN = 60.0, (1.0, 5.0, 15.0)


class Sending:
    """Something on its way, in a thread of its own, which writes a byte to ``bell`` when it is done."""

    def __init__(self, send: Callable[[], None], bell: int) -> None:
        self.done = False
        #: Why it did not get there; empty when it did.
        self.problem = ""
        # threading would be a tenth of all that an agent imports.
        _thread.start_new_thread(self._run, (send, bell))

    @classmethod
    def file(cls, fd: int, url: str, bell: int) -> Sending:
        """An open file, which is closed then."""

        def send() -> None:
            try:
                put(url, os.fstat(fd).st_size, lambda: _pieces(fd))
            finally:
                os.close(fd)

        return cls(send, bell)

    def _run(self, send: Callable[[], None], bell: int) -> None:
        try:
            send()
        except Exception as error:
            self.problem = str(error) or type(error).__name__
        self.done = True
        os.write(bell, b".")


def _pieces(fd: int) -> Iterator[bytes]:
    at = 0
    while piece := os.pread(fd, _CHUNK, at):
        at += len(piece)
        yield piece


def put(url: str, size: int, pieces: Callable[[], Iterable[bytes]], *, create: bool = False) -> None:
    """Send ``size`` bytes, as often as it takes; ``pieces`` gives them anew each time.

    Raises:
        OSError: the store did not take them; the message shows nothing of the address.
        FileExistsError: with ``create``: there is something at that address.
    """
    for pause in (*_AGAIN, None):
        try:
            _send(url, size, pieces(), create=create)
            return
        except OSError as error:
            code = getattr(error, "code", 500)
            if create and code in (409, 412):
                raise FileExistsError(17, "there is something already") from error
            refused = 400 <= code < 500  # the address has expired, say
            if pause is None or refused:
                raise
            time.sleep(pause)


def _send(url: str, size: int, pieces: Iterable[bytes], *, create: bool) -> None:
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    # Azure wants to be told what kind of blob it is; the others ignore that.
    headers: dict[str, Any] = {
        "Content-Length": str(size),
        "Content-Type": "application/octet-stream",
        "x-ms-blob-type": "BlockBlob",
        **({"If-None-Match": "*"} if create else {}),
    }
    request = Request(url, pieces, headers, method="PUT")  # noqa: S310 - the controller's own address
    try:
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            answer.read()
    except HTTPException as error:
        raise OSError(f"the artifact store broke off: {type(error).__name__}") from error
