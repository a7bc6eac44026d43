"""qwex carrying output to a client that follows: much of it, and one line soon."""

from __future__ import annotations

import contextlib
import hashlib
import statistics
import threading
import time

from floor import PRINTER
from home import Home, pss
from turns import serve

import qwex
from qwex.spec import JobSpec, Source

BLOCKS = """
import sys
for start in range(0, {lines}, 640):
    numbers = range(start, min(start + 640, {lines}))
    sys.stdout.write("".join("%08d " % n + "x" * 90 + "\\n" for n in numbers))
sys.stdout.flush()
"""
#: The clock is the machine's, so a moment in the job can be subtracted from one here.
STAMP = "import time\nprint('start', time.monotonic(), flush=True)\n"
LINES = "import time\nfor _ in range({count}):\n    print(time.monotonic(), flush=True)\n    time.sleep({pause})\n"


class Peak(threading.Thread):
    """The largest memory of a process while the context lasts."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self._pid, self._over, self.mib = pid, threading.Event(), 0.0

    def run(self):
        while not self._over.wait(0.05):
            self.mib = max(self.mib, pss(self._pid))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join()


class Output:
    """The measures, on one home."""

    def __init__(self, home):
        self._home, self._client = home, qwex.Client()
        self._client.submit(_script("print(1)")).wait(60)

    def follow(self, size, code=PRINTER):
        """Megabytes per second of numbered lines, from the job's first print to the client's last line."""
        lines = size * 10_000
        controller = self._home.controller()
        before = pss(controller)
        with Peak(controller) as peak:
            job = self._client.submit(_script(STAMP + code.format(lines=lines)))
            texts, end = [], 0.0
            for event in job.events():
                if event.type == "stream":
                    texts.append(event["text"])
                    end = time.monotonic()
        first, _, rest = "".join(texts).partition("\n")
        assert hashlib.sha256(rest.encode()).digest() == _digest(lines)
        figures = {"before_mib": before, "peak_mib": peak.mib, "after_mib": pss(controller)}
        return {"mb_per_s": size / (end - float(first.split()[1])), **figures}

    def blocks(self, size):
        """The same from a job that writes 64 KiB at once."""
        return self.follow(size, BLOCKS)

    def line(self, pause=0.15, count=20):
        """Seconds from just before a print in the job to the line here: the middle and the largest."""
        job = self._client.submit(_script(LINES.format(count=count, pause=pause)))
        late = []
        for event in job.events():
            if event.type == "stream":
                now = time.monotonic()
                late += [now - float(text) for text in event["text"].split()]
        assert len(late) == count
        return {"s": statistics.median(late), "max_s": max(late)}

    def dense(self):
        """The same for lines that follow each other after 5 ms, which are gathered."""
        return self.line(0.005, 200)


def _digest(lines):
    digest = hashlib.sha256()
    for start in range(0, lines, 10_000):
        digest.update("".join(f"{n:08} {'x' * 90}\n" for n in range(start, start + 10_000)).encode())
    return digest.digest()


def _script(text):
    return JobSpec(source=Source(kind="script", text=text, name="prints.py"))


@contextlib.contextmanager
def output():
    with Home() as home:
        measures = Output(home)
        yield {name: getattr(measures, name) for name in ("follow", "blocks", "line", "dense")}


if __name__ == "__main__":
    serve("qwex", output)
