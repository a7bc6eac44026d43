"""Ray core with two CPUs on this machine: a task whose worker process ends after it, and one that shares a worker."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN": secrets.token_hex(32)}

import payload
import ray
from turns import serve, timed


def _hold(seconds):
    time.sleep(seconds)


class Tasks:
    """The measures."""

    def __init__(self):
        self._fresh = ray.remote(max_calls=1, max_retries=0)(payload.job)
        self._shared = ray.remote(max_retries=0)(payload.job)
        self._seen = set()

    def fresh(self):
        """Value in hand; the line reaches the driver's standard error later and is not waited for."""
        value, pid = ray.get(self._fresh.remote(41))
        assert value == 42
        assert pid not in self._seen
        self._seen.add(pid)

    def rested(self):
        """The same after three seconds in which Ray can start the next worker; they are not counted."""
        time.sleep(3)
        return timed(self.fresh)()

    def shared(self):
        value, pid = ray.get(self._shared.remote(41))
        assert value == 42
        assert pid != os.getpid()

    def batch(self):
        results = ray.get([self._fresh.remote(x) for x in range(20)])
        assert [value for value, _ in results] == [x + 1 for x in range(20)]
        assert len({pid for _, pid in results}) == 20

    def accept(self, size):
        """Accepted per second while both CPUs are held. The queue is the driver's memory."""
        hold = ray.remote(max_retries=0)(_hold)
        held = [hold.remote(4) for _ in range(2)]
        time.sleep(1)
        start = time.perf_counter()
        waiting = [self._shared.remote(x) for x in range(size)]
        taken = time.perf_counter() - start
        ray.get(held)
        assert [value for value, _ in ray.get(waiting)] == [x + 1 for x in range(size)]
        return {"per_s": size / taken}


@contextlib.contextmanager
def tasks():
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        options = {"include_dashboard": False, "_node_ip_address": "127.0.0.1", "_temp_dir": folder}
        ray.init(num_cpus=2, logging_level="warning", **options)
        measures = Tasks()
        try:
            yield {
                "single-used": timed(measures.fresh),
                "single-fast": measures.rested,
                "shared": timed(measures.shared),
                "batch": timed(measures.batch),
                "accept": measures.accept,
            }
        finally:
            ray.shutdown()


if __name__ == "__main__":
    serve("ray", tasks)
