"""What a pod prints, on its way to a client that follows: much of it, and one line soon. Beside ``kubectl logs -f``."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import time
from typing import TYPE_CHECKING, Any

from floor import PRINTER

from on_kueue.place import Namespace, script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import qwex
    from on_kueue.raw import Seen

__all__ = ["part"]

#: The clock is the machine's, so a moment in the pod can be subtracted from one here.
STAMP = "import time\nprint('start', time.monotonic(), flush=True)\n"
LINES = "import time\nfor _ in range({count}):\n    print(time.monotonic(), flush=True)\n    time.sleep({pause})\n"
_COUNT, _PAUSE = 20, 0.15


class Output:
    """The measures."""

    def __init__(self, namespace: Namespace, client: qwex.Client, seen: Seen) -> None:
        self._namespace, self._client, self._seen, self._raw = namespace, client, seen, namespace.raw
        self._lost: list[float] = []

    def follow(self, size: int) -> dict[str, float]:
        """Megabytes a second of numbered lines at a client of qwex, and how many of them never came."""
        figures = _received(self._of_qwex(_much(size)), size)
        self._lost.append(figures["lost_lines"])
        return figures

    def tally(self) -> dict[str, float]:
        """Of how many pods everything came."""
        return {"pods": len(self._lost), "whole_pods": self._lost.count(0)}

    def kubectl(self, size: int) -> dict[str, float]:
        """The same at ``kubectl logs -f``."""
        return _received(self._of_kubectl(_much(size)), size)

    def line(self) -> dict[str, float]:
        """Seconds from just before a print in the pod to the line at a client of qwex: the middle, the largest."""
        return _late(self._of_qwex(LINES.format(count=_COUNT, pause=_PAUSE)))

    def line_kubectl(self) -> dict[str, float]:
        """The same at ``kubectl logs -f``."""
        return _late(self._of_kubectl(LINES.format(count=_COUNT, pause=_PAUSE)))

    def _of_qwex(self, text: str) -> Iterator[tuple[float, str]]:
        job = self._client.submit(script(text))
        for event in job.events():
            if event.type == "stream":
                yield time.monotonic(), event["text"]
        assert job.wait(30)
        assert job.status().state == "SUCCEEDED", job.status()

    def _of_kubectl(self, text: str) -> Iterator[tuple[float, str]]:
        job = self._namespace.job(["python3", "-c", text])
        name = job["metadata"]["name"]
        self._raw.wait(self._raw.create(self._namespace.jobs, job))
        self._raw.wait(self._seen.until(name, "container"))
        cluster = self._namespace.cluster
        words = ("-n", self._namespace.name, "logs", "-f", self._seen.pods[name])
        argv = [cluster.kubectl_path(), "--kubeconfig", str(cluster.kubeconfig), *words]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, bufsize=0) as process:
            assert process.stdout
            while block := process.stdout.read(1 << 20):
                yield time.monotonic(), block.decode()
        self._raw.wait(self._raw.send("DELETE", f"{self._namespace.jobs}/{name}", propagationPolicy="Background"))


def _much(size: int) -> str:
    return STAMP + PRINTER.format(lines=size * 10_000)


def _received(blocks: Iterable[tuple[float, str]], size: int) -> dict[str, float]:
    """From the first print to the last line that came; a hundred bytes each."""
    texts, end = [], 0.0
    for moment, text in blocks:
        texts.append(text)
        end = moment
    first, _, rest = "".join(texts).partition("\n")
    numbers = {line[:8] for line in rest.splitlines() if len(line) == 99}
    megabytes = len(rest) / 1e6
    return {"mb_per_s": megabytes / (end - float(first.split()[1])), "lost_lines": size * 10_000 - len(numbers)}


def _late(blocks: Iterable[tuple[float, str]]) -> dict[str, float]:
    late = [moment - float(text) for moment, block in blocks for text in block.split()]
    assert len(late) == _COUNT, late
    return {"s": statistics.median(late), "max_s": max(late)}


@contextlib.contextmanager
def part(namespace: Namespace) -> Iterator[dict[str, Any]]:
    """The measures by name."""
    with namespace.client() as (client, _), namespace.seen() as seen:
        measures = Output(namespace, client, seen)
        yield {name: getattr(measures, name) for name in ("follow", "kubectl", "tally", "line", "line_kubectl")}
