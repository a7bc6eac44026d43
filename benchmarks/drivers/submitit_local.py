"""submitit on this machine. It has no queue and no limit: submitting starts the process."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time

import payload
import submitit
from turns import serve, timed


def _check(job, x):
    value, pid = job.result()
    assert value == x + 1
    assert pid != os.getpid()
    assert f"hello {x}" in job.stdout()
    return pid


def _polled(job, x):
    """The result as early as it can be had: asked for every 2 ms, not once a second as ``result`` does."""
    while not job.done():
        time.sleep(0.002)
    return _check(job, x)


@contextlib.contextmanager
def local():
    with tempfile.TemporaryDirectory(prefix="qwex-submitit-") as folder:
        executor = submitit.LocalExecutor(folder=folder)
        executor.update_parameters(timeout_min=5)

        def single(finish):
            finish(executor.submit(payload.job, 41), 41)

        def batch(finish):
            jobs = [executor.submit(payload.job, x) for x in range(20)]
            assert len({finish(job, x) for x, job in enumerate(jobs)}) == 20

        yield {
            "single-used": timed(lambda: single(_check)),
            "single-fast": timed(lambda: single(_polled)),
            "batch-used": timed(lambda: batch(_check)),
            "batch-fast": timed(lambda: batch(_polled)),
        }


if __name__ == "__main__":
    serve("submitit", local)
