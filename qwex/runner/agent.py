"""The agent: beside the job in its pod, it gives out what the job says, and stays until somebody has all of it.

HTTP/1.1 on the pod's loopback, at ``--port``; the only way there is Kubernetes' own right to forward ports. This is the
reference of what it understands. Requests have one ``Host`` header, whatever it says, and no body; connections are kept
unless ``Connection: close`` is asked for. At most 64 at a time: more are answered 503. What is wrong with a request is
said by a 4xx answer of one plain sentence. Numbers of records are their ``seq``, which rises by one from 1.

==================================  ===================================================================================
``GET /events?after=N[&follow=1]``   the records after number N (0 when left out): ``events.jsonl`` itself, whole lines
                                    only, in chunked encoding, whose last chunk tells the end from a cut. It ends with
                                    what is there now, with ``follow`` after the attempt's ``exit`` record. Who follows
                                    keeps its own side of the connection open: closing it is leaving
``GET /values/NAME``                the bytes of an output value, with their length; 404 without one
``POST /values/NAME?to=URL``        204 once the value is at that address (quoted), where the agent puts it with one
                                    PUT; 502 when it could not
``GET /state``                      ``{"version": 1, "attempt": …, "seq": …, "ended": …, "exit_seq": …,
                                    "acknowledged": …}``: the last record's number, and the exit record's or null
``POST /terminate``                  204: as if the system had sent SIGTERM; that may have come before anybody heard it
``POST /acknowledge?seq=N``         204: everything up to record N is safe, and, with the ``exit`` record's number, the
                                    values; the agent then ends. 409 for a record that there is not yet
==================================  ===================================================================================

The attempt is over with the runner's ``exit`` record. When the runner's processes are gone without one (the bell's last
writer has let go of it; or the system, which ends this container last, sends SIGTERM and nobody holds the bell) the
agent writes that record itself, with the reason ``Lost``, or ``StartFailed`` when the runner had not begun.

Then it waits for the acknowledgement, ``--linger`` seconds at most from the exit record or from SIGTERM, whichever is
later, since it holds its pod's quota. What nobody came for it leaves: where the description has an address for that
(``parcel``), all of it there, and after half a minute already (see ``parcel``); else what its own output has room for
(see ``leftovers``), which Kubernetes keeps as long as the pod. For a job that never began it does not wait. In the job
folder the file
``agent-port`` says where it listens, and ``acknowledged`` up to which record, so that an agent that is started again
has no more to wait for than this one.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import stat
import sys
import time

from . import leftovers, parcel, uploading
from .exits import START_FAILED
from .httpserver import NEVER, BadRequest, Connection, Slice, head, packed, unquote, whole
from .pod import leave_note, prepare
from .story import Story
from .wakeup import catch, wakeup_pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .httpserver import Answer, Request

__all__ = ["serve"]

_MOST_CONNECTIONS = 64
_TOO_MANY = packed(503, f"there are {_MOST_CONNECTIONS} readers already", connection="close")
#: Bytes sent as one chunk, and those that are not worth a call of their own.
_CHUNK, _SMALL = 1 << 20, 1 << 14
#: Seconds that answers have to get out of the pod when there is nothing left to wait for.
_LAST_ANSWER = 0.2
#: Seconds without a reader after which all is left in an artifact store, where it can be.
_PARCEL_AFTER = 30.0
#: How often the time to linger readers have at most.
_READERS = 4
#: Seconds between attempts to write the exit record on a disk without any space.
_RETRY_EVERY = 1.0
#: Systems differ in how long a poll may wait.
_LONGEST_WAIT = 86400.0

_LOST = ("Lost", "the job's processes were killed from outside", 128 + signal.SIGKILL, "SIGKILL")
_NEVER_BEGAN = ("StartFailed", "the job's container ended before the job began", START_FAILED)


def serve(folder: str, description: str, port: int, linger: float, keep: int) -> int:
    """Serve one attempt to its end; the process's exit code."""
    wakeup, sender = wakeup_pair()
    catch(sender, signal.SIGTERM, signal.SIGINT)
    sender.detach()  # it stays open
    prepare(folder, description)
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=_MOST_CONNECTIONS)
    except OSError as error:
        _complain(f"cannot listen on port {port}: {os.strerror(error.errno or 0)}")
        return 1
    agent = _Agent(folder, wakeup, listener, linger)
    leave_note(os.path.join(folder, "agent-port"), str(listener.getsockname()[1]))
    soon = agent.run(_PARCEL_AFTER) if _parcel_of(description) else agent.run()
    if not (soon or agent.leave(_parcel_of(description)) or agent.run()):
        try:
            leftovers.write(1, folder, agent.story, keep)
        except OSError as error:
            _complain(f"what nobody fetched could not be left here: {error}")
    return 0


def _parcel_of(description: str) -> list[str]:
    """The addresses as they are now: the controller renews them before they expire."""
    try:
        with open(os.path.join(description, "job.json"), "rb") as file:
            return [str(url) for url in json.load(file).get("parcel") or ()]
    except (OSError, ValueError):
        return []


class _Agent:
    def __init__(self, folder: str, wakeup: socket.socket, listener: socket.socket, linger: float) -> None:
        self._folder = folder
        self._linger = self._patience = linger
        self._wakeup = wakeup
        self._listener = listener
        self.story = Story(folder)
        self._connections: dict[int, Connection] = {}
        # Silent before the first writer; after the last one it hangs up.
        self._bell = os.open(os.path.join(folder, "bell"), os.O_RDONLY | os.O_NONBLOCK)
        self._poll = select.poll()
        #: Values on their way into an artifact store; a byte comes when one is done.
        self._sendings: list[uploading.Sending] = []
        self._sent, self._sender = os.pipe()
        #: When something last went to somebody.
        self._heard_at = 0.0
        for fd in (wakeup.fileno(), listener.fileno(), self._bell, self._sent):
            self._poll.register(fd, select.POLLIN)
        self._had_writer = self.never_began = False
        self._terminated_at = self._ended_at = self._done_at = self._settle_at = NEVER
        self._acknowledged_file = os.path.join(folder, "acknowledged")
        self._acknowledged = _read_number(self._acknowledged_file)

    def run(self, patience: float = NEVER) -> bool:
        """Until the end is acknowledged, or nobody has come for too long, ``linger`` at most; which of the two."""
        self._patience = min(patience, self._linger)
        self._listener.setblocking(False)
        self._look()
        if self.story.ended and self._acknowledged >= self.story.count:
            return True  # by a container before this one
        while time.monotonic() < self._leave_at():
            self._step()
            if self._done_at != NEVER and not self._connections:
                break
        return self._done_at != NEVER

    def leave(self, urls: list[str]) -> bool:
        """Put all of it at one of these addresses, or until the end is acknowledged after all; whether either was."""
        if self.never_began or not urls:
            return False
        pod = os.environ.get("QWEX_POD", "")
        sending = uploading.Sending(lambda: parcel.send(urls, self._folder, self.story, pod), self._sender)
        self._sendings.append(sending)
        while not sending.done and time.monotonic() < self._leave_at():
            self._step()
        if sending.problem:
            _complain(f"what nobody fetched could not be left in the artifact store: {sending.problem}")
        return self._done_at != NEVER or (sending.done and not sending.problem)

    def _leave_at(self) -> float:
        if self._done_at != NEVER:
            return self._done_at + _LAST_ANSWER
        if self._ended_at == NEVER:
            return NEVER
        if self.never_began:
            return self._ended_at + _LAST_ANSWER
        if self._sendings:
            return NEVER
        terminated = 0.0 if self._terminated_at == NEVER else self._terminated_at
        since = max(self._ended_at, terminated)
        # Whoever reads is waited for, but not for ever.
        return min(max(since, self._heard_at) + self._patience, since + _READERS * self._linger + self._patience)

    def _due(self) -> float:
        """When to wake though nothing happens."""
        stays = self._terminated_at + self._linger if self._ended_at == NEVER else NEVER
        deadlines = [connection.deadline for connection in self._connections.values()]
        return min([self._leave_at(), self._settle_at, stays, *deadlines])

    def _step(self) -> None:
        for fd, connection in self._connections.items():
            self._poll.register(fd, connection.events)
        wait = min(max(0.0, self._due() - time.monotonic()), _LONGEST_WAIT)
        ready = [fd for fd, _ in self._poll.poll(wait * 1000 + 1)]
        if self._wakeup.fileno() in ready:
            self._wakeup.recv(4096)
            self._terminate()
        if self._sent in ready:
            self._hear_sent()
        self._look()
        for fd in ready:
            if fd in self._connections:
                self._heard_at = time.monotonic()
                self._connections[fd].handle()
        self._sweep()
        if self._listener.fileno() in ready:
            self._accept()  # last: those that left have freed their places, and their numbers

    def _terminate(self) -> None:
        self._terminated_at = min(self._terminated_at, time.monotonic())

    def _look(self) -> None:
        """What has the job said, and is it over?"""
        if self._ended_at == NEVER:
            has_writer = self._hear_bell()  # before the log: who has let go of the bell has written all it will
            grown = self.story.advance()
            gone = not has_writer and (self._had_writer or self._terminated_at != NEVER)
            if not self.story.ended and (gone or time.monotonic() >= self._terminated_at + self._linger):
                self._end()
            if self.story.ended:
                self._ended_at = time.monotonic()
                self._poll.unregister(self._bell)
            if grown or self.story.ended:
                for connection in self._connections.values():
                    connection.go_on()
        if self._settle_at <= time.monotonic():
            self._settle()

    def _hear_sent(self) -> None:
        """Values are where they should be, or could not be put there."""
        os.read(self._sent, 1 << 10)
        self._sendings = [each for each in self._sendings if not each.done]
        self._heard_at = time.monotonic()
        for connection in self._connections.values():
            connection.go_on()

    def _hear_bell(self) -> bool:
        """Whether somebody holds it now."""
        try:
            while os.read(self._bell, 1 << 16):
                self._had_writer = True
        except BlockingIOError:
            self._had_writer = True
            return True
        return False

    def _end(self) -> None:
        self.never_began = not (self._had_writer or self.story.count)
        terminated = self._terminated_at != NEVER
        self.story.end(*(_NEVER_BEGAN if self.never_began else _LOST), terminated=terminated)
        self._settle()

    def _settle(self) -> None:
        try:
            self.story.settle()
            self._settle_at = NEVER
        except OSError as error:
            if self._settle_at == NEVER:
                _complain(f"the exit record is kept in memory: {error}")
            self._settle_at = time.monotonic() + _RETRY_EVERY

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                if len(self._connections) < _MOST_CONNECTIONS:
                    self._connections[connection.fileno()] = Connection(connection, self._answer)
                    continue
                with connection, contextlib.suppress(OSError):
                    connection.setblocking(False)
                    connection.send(_TOO_MANY)
                    connection.shutdown(socket.SHUT_WR)

    def _sweep(self) -> None:
        now = time.monotonic()
        for fd, connection in list(self._connections.items()):
            if connection.open and connection.deadline <= now:
                connection.close()
            if not connection.open:
                del self._connections[fd]
                self._poll.unregister(fd)

    def _answer(self, request: Request) -> Answer:
        method, path, query = request
        known = {"/events": "GET", "/state": "GET", "/acknowledge": "POST", "/terminate": "POST"}
        if path not in known and not path.startswith("/values/"):
            raise BadRequest(404, f"there is no {path[:100]}; there is /values/NAME, {', '.join(known)}")
        allowed = known.get(path, "POST" if query.get("to") else "GET")
        if method != allowed:
            raise BadRequest(405, f"{path[:100]} takes {allowed} only", allow=allowed)
        if path == "/events":
            return self._events(_number(query, "after", "0"), follow=query.get("follow") == "1")
        if path == "/state":
            return whole(packed(200, self._state()))
        if path == "/terminate":
            self._terminate()
            return whole(head(204))
        if path == "/acknowledge":
            return self._acknowledge(_number(query, "seq"))
        fd = _open_value(self._folder, path[len("/values/") :])
        return self._send(fd, unquote(query["to"])) if method == "POST" else _value(fd)

    def _send(self, fd: int, url: str) -> Answer:
        sending = uploading.Sending.file(fd, url, self._sender)
        self._sendings.append(sending)
        while not sending.done:
            yield None
        problem = sending.problem
        yield packed(502, f"the artifact store did not take it: {problem}") if problem else head(204)

    def _state(self) -> dict[str, object]:
        story = self.story
        exit_seq = story.count if story.ended else None
        return {
            "version": 1,
            "attempt": story.attempt,
            "seq": story.count,
            "ended": story.ended,
            "exit_seq": exit_seq,
            "acknowledged": self._acknowledged,
        }

    def _acknowledge(self, seq: int) -> Answer:
        if seq > self.story.count:
            raise BadRequest(409, f"there is no record {seq} yet; the last is {self.story.count}")
        if seq > self._acknowledged:
            self._acknowledged = seq
            leave_note(self._acknowledged_file, str(seq))
        if self.story.ended and self._acknowledged >= self.story.count:
            self._done_at = min(self._done_at, time.monotonic())
        return whole(head(204))

    def _events(self, after: int, *, follow: bool) -> Answer:
        story = self.story
        yield head(200, content_type="application/x-ndjson", transfer_encoding="chunked")
        while follow and after > story.count and not story.ended:
            yield None
        offset, last = story.offset(after), story.size
        while True:
            if count := min((story.size if follow else last) - offset, _CHUNK):
                yield from _chunk(story, offset, count)
                offset += count
            elif story.ended or not follow:
                break
            else:
                yield None
        if story.tail and after < story.count:
            yield b"%x\r\n%b\r\n" % (len(story.tail), story.tail)
        yield b"0\r\n\r\n"


def _chunk(story: Story, offset: int, count: int) -> Answer:
    if count <= _SMALL:
        yield b"%x\r\n%b\r\n" % (count, story.read(offset, count))
        return
    yield b"%x\r\n" % count
    yield Slice(story.fileno(), offset, count)
    yield b"\r\n"


def _open_value(folder: str, name: str) -> int:
    try:
        if not name.isidentifier():
            raise FileNotFoundError
        fd = os.open(os.path.join(folder, "values", name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        raise BadRequest(404, f"there is no value {name[:100]!r}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise BadRequest(404, f"there is no value {name[:100]!r}")
    return fd


def _value(fd: int) -> Answer:
    try:
        size = os.fstat(fd).st_size
        yield head(200, content_type="application/octet-stream", content_length=size)
        if size:
            yield Slice(fd, 0, size)
    finally:
        os.close(fd)


def _number(query: dict[str, str], name: str, default: str = "") -> int:
    text = query.get(name, default)
    if not text.isdigit() or len(text) > 18:
        raise BadRequest(400, f"{name} is the number of a record, as in {name}=12")
    return int(text)


def _read_number(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _complain(what: str) -> None:
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), f"qwex agent: {what}\n".encode())
