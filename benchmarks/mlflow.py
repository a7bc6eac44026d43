"""What recording jobs in MLflow costs: ``make bench-mlflow``. It takes about four minutes.

Starts a tracking server (one worker, SQLite) and two controllers, one of which records its jobs there, and asks both in
turn, so that whatever else the machine does hits both.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / folder) for folder in ("cluster", "shared")]
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]  # mlflow is not this file

from leftovers import end_all  # noqa: E402
from mlflowserver import mlflow_server  # noqa: E402

import qwex  # noqa: E402
from qwex import config  # noqa: E402

ROUNDS, JOBS, METRICS = 150, 1000, 10_000
CELL = {"source": {"kind": "cell", "text": "1 + 1"}}
LOGS = f"""
import time, qwex
start = time.monotonic()
for n in range({METRICS}):
    qwex.log_metrics({{"loss": 1 / (n + 1)}}, step=n)
print(time.monotonic() - start)
"""


class Controller:
    """One of two, with a home of its own."""

    def __init__(self, uri=""):
        self.home = Path(tempfile.mkdtemp(prefix="qxb", dir="/tmp"))
        os.environ |= {"QWEX_MLFLOW__ENABLED": "true" if uri else "false", "QWEX_MLFLOW__TRACKING_URI": uri}
        self.client = qwex.Client(config.load(home=str(self.home)))
        self.pid = self.client.health()["pid"]
        self.client.submit(CELL).wait()

    def memory(self):
        """PSS in MiB."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(text.partition("\nPss:")[2].split()[0]) / 1024

    def submit(self):
        """Milliseconds of a submit, and from the end of its process to the client's knowing it."""
        start = time.perf_counter()
        job = self.client.submit(CELL)
        submitted = time.perf_counter()
        job.wait()
        known = time.time()
        ended = next(event for event in job.events(follow=False) if event.type == "exit").ts
        return (submitted - start) * 1000, (known - ended) * 1000

    def close(self):
        end_all(self.home)
        shutil.rmtree(self.home, ignore_errors=True)


def until_told(controller, limit=300.0):
    """Seconds until the tracker knows everything."""
    start = time.monotonic()
    while any(each.waiting for each in controller.client.trackers()):
        if time.monotonic() - start > limit:
            break
        time.sleep(0.1)
    return time.monotonic() - start


def spread(values):
    ordered = sorted(values)
    return f"{statistics.median(ordered):.2f} ms ({ordered[0]:.2f} … {ordered[int(len(ordered) * 0.95)]:.2f})"


def main():
    for name in [name for name in os.environ if name.startswith(("QWEX_", "MLFLOW_"))]:
        del os.environ[name]
    with mlflow_server() as server:
        plain, tracked = Controller(), Controller(server.uri)
        try:
            measure(plain, tracked, server)
        finally:
            plain.close()
            tracked.close()


def measure(plain, tracked, server):
    until_told(tracked)
    print(f"idle: {plain.memory():.1f} MiB without, {tracked.memory():.1f} MiB with")
    samples = {plain: [], tracked: []}
    for _ in range(ROUNDS):
        for controller in (plain, tracked):
            samples[controller].append(controller.submit())
    for what, at in (("submit", 0), ("end", 1)):
        without, with_it = ([each[at] for each in samples[one]] for one in (plain, tracked))
        added = statistics.median(with_it) - statistics.median(without)
        print(f"{what}: {spread(without)} without, {spread(with_it)} with; added {added:.2f} ms")
    print(f"told {ROUNDS} jobs later: {until_told(tracked):.1f} s")
    for controller in (plain, tracked):
        for job in controller.client.submit_many([CELL] * JOBS):
            job.wait()
    print(f"{JOBS} jobs more, told {until_told(tracked):.1f} s later: ", end="")
    print(f"{plain.memory():.1f} MiB without, {tracked.memory():.1f} MiB with")
    start = time.monotonic()
    job = tracked.client.submit({"source": {"kind": "script", "text": LOGS, "name": "logs.py"}})
    job.wait()
    wrote = float("".join(job.logs()))
    until_told(tracked)
    run = server.run_of(job.id, "FINISHED")
    found = server.call("metrics/get-history", run_id=run.id, metric_key="loss")["metrics"]
    took = time.monotonic() - start
    print(f"{len(found)} metrics: {METRICS / wrote:.0f}/s in the job, all in MLflow after {took:.1f} s from submit")


if __name__ == "__main__":
    main()
