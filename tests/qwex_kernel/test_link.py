"""What two ends of a link hear of each other, whenever and wherever their connections are cut."""

from __future__ import annotations

import contextlib
import os
import random
import socket

import pytest
from harness.waiting import wait_until

from qwex_kernel.link import CLOSE, DATA, OPEN, Frame, Link, Loop, Streams


class End:
    def __init__(self):
        self.loop = Loop()
        self.heard = []
        self.cuts = 0
        self.link = Link(self.loop, self.heard.append, self._cut)

    def _cut(self):
        self.cuts += 1

    def turn(self):
        if not self.loop.once(0):
            self.link.acknowledge()


def connect(one, other, capacity=1 << 16):
    """A new connection of two sockets; what is in the old one is lost."""
    ends = socket.socketpair()
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, capacity)
    for here, there, side in ((one, other, ends[0]), (other, one, ends[1])):
        here.link.disconnect()
        here.link.connect(os.dup(side.fileno()), os.dup(side.fileno()), there.link.received)
    for end in ends:
        end.close()


@pytest.mark.parametrize("seed", range(5))
def test_all_is_heard_once_and_in_order_over_any_cuts(seed):
    dice = random.Random(seed)
    ends = End(), End()
    said = [[], []]
    for _ in range(600):
        at = dice.randrange(2)
        number, data = dice.randrange(-9, 9), dice.randbytes(dice.choice((0, 1, 500, 90_000)))
        said[at].append(Frame(DATA, number, data))
        ends[at].link.say(*said[at][-1])
        for _ in range(dice.randrange(3)):
            dice.choice(ends).turn()
        if dice.random() < 0.05:
            connect(*ends)
    connect(*ends)

    def over():
        for end in ends:
            end.turn()
        return all(end.link.quiet for end in ends)

    wait_until(over, "all that was said", pause=0)
    assert [end.heard for end in ends] == [said[1], said[0]]


def test_an_end_of_the_connection_is_told_and_nothing_is_lost():
    one, other = End(), End()
    connect(one, other)
    other.link.disconnect()
    one.link.say(OPEN, 1)
    one.turn()
    assert (one.cuts, one.link.connected) == (1, False)
    connect(one, other)
    other.turn()
    assert other.heard == [Frame(OPEN, 1, b"")]


def test_what_was_heard_is_known_whatever_was_said_after_it():
    one, other = End(), End()
    connect(one, other)
    said = one.link.say(OPEN, 1)
    other.turn()
    one.link.say(CLOSE, 1)
    assert not one.link.has_heard(said)
    other.link.acknowledge()
    one.turn()
    assert one.link.has_heard(said)
    assert not one.link.quiet


def test_who_does_not_read_does_not_keep_others_from_it():
    one, other = End(), End()
    streams = [Streams(end.loop, end.link) for end in (one, other)]
    for end, own in zip((one, other), streams, strict=True):
        end.link._hear = own.hear
    connect(one, other)
    pairs = {(at, number): socket.socketpair() for at in (0, 1) for number in (1, 2)}
    for (at, number), (inner, outer) in pairs.items():
        streams[at].add(number, inner)
        outer.setblocking(False)
    sent = 0
    for _ in range(2000):  # nobody reads what comes of this at the other end
        with contextlib.suppress(BlockingIOError):
            sent += pairs[0, 1][1].send(bytes(1 << 20))
        one.turn()
        other.turn()
    assert 1 << 20 < sent < 1 << 27
    pairs[0, 2][1].send(b"hello")

    def came():
        one.turn()
        other.turn()
        try:
            return pairs[1, 2][1].recv(100)
        except BlockingIOError:
            return b""

    assert wait_until(came, "the other stream", pause=0) == b"hello"
    for inner, outer in pairs.values():
        inner.close()
        outer.close()


def test_a_stream_that_is_closed_at_one_end_is_closed_at_the_other_after_its_last_words():
    one, other = End(), End()
    streams = [Streams(end.loop, end.link) for end in (one, other)]
    for end, own in zip((one, other), streams, strict=True):
        end.link._hear = own.hear
    connect(one, other)
    (here, mine), (there, theirs) = socket.socketpair(), socket.socketpair()
    streams[0].add(1, here)
    streams[1].add(1, there)
    mine.sendall(b"last")
    mine.close()

    def both():
        one.turn()
        other.turn()
        return not any(map(len, streams))

    wait_until(both, "the end of both", pause=0)
    assert theirs.recv(100) == b"last"
    assert theirs.recv(100) == b""
    theirs.close()
    one.link.say(CLOSE, 1)  # one that is not there any more
    both()
