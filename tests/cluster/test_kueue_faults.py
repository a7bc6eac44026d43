"""Parts of the cluster fail while jobs wait, run and are followed."""

from __future__ import annotations

import pytest
from harness import objects
from harness.waiting import wait_until
from jobs import configure, following, printed, states, submit
from people import admit

import qwex

COUNTS = "import time\nfor n in range(150):\n    print(n, flush=True)\n    time.sleep(0.1)"
LASTS = "import time; print('begun', flush=True); time.sleep(300)"


@pytest.fixture
def client(breakable, breakable_namespace, home, tmp_path, monkeypatch):
    """A client of the cluster whose parts may be stopped."""
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, admit(breakable, breakable_namespace), breakable_namespace, node_patience="10")
    return qwex.Client()


@pytest.fixture
def tight(breakable, breakable_namespace):
    """A queue for one small job at a time."""
    name = f"tight-{breakable_namespace}"
    queue = objects.cluster_queue(name, {"cpu": "100m", "memory": "1Gi"})
    breakable.apply(queue, objects.local_queue(breakable_namespace, name, name))
    yield name
    breakable.delete("-n", breakable_namespace, "jobs,pods", "--all")
    breakable.delete("clusterqueues.kueue.x-k8s.io", name)


class Outage:
    """A part of the cluster that is away from ``begin`` to ``end``."""

    def __init__(self, stop, start):
        self._stop, self._start, self._on = stop, start, False

    def begin(self):
        self._stop()
        self._on = True

    def end(self):
        if self._on:
            self._start()
        self._on = False


@pytest.fixture
def no_apiserver(breakable):
    outage = Outage(breakable.stop_apiserver, breakable.start_apiserver)
    yield outage
    outage.end()


@pytest.fixture
def no_kueue(breakable):
    outage = Outage(breakable.stop_kueue, breakable.start_kueue)
    yield outage
    outage.end()


@pytest.fixture
def no_kubelet(breakable):
    outage = Outage(breakable.stop_kubelet, breakable.start_kubelet)
    yield outage
    outage.end()


def moves(job):
    return [event["message"] for event in job.events(follow=False, types=("state",))]


def test_the_apiserver_stops_while_one_job_is_followed_and_another_waits(client, tight, no_apiserver):
    followed = submit(client, COUNTS, queue=tight)
    reading = following(followed)
    wait_until(lambda: "3" in printed(followed), "the first lines")
    waits = submit(client, "print('my turn')", queue=tight)
    wait_until(lambda: waits.why().position == 1, "its place")
    no_apiserver.begin()
    assert waits.status().state == "QUEUED"
    assert followed.status().state == "RUNNING"
    later = submit(client, "print('later')", queue=tight)
    assert later.status().state == "PENDING"
    assert "cannot be reached" in later.status().message
    no_apiserver.end()
    assert reading.communicate(timeout=120)[0].split() == [str(n) for n in range(150)]
    assert all(job.wait(90) for job in (followed, waits, later))
    assert [job.status().message for job in (followed, waits, later)] == [""] * 3
    assert [printed(job) for job in (waits, later)] == ["my turn\n", "later\n"]
    assert {attempt for job in (followed, waits, later) for _, _, attempt in states(job)} == {1}


def test_the_apiserver_stops_while_nobody_follows_and_the_job_ends(client, no_apiserver):
    job = submit(client, "import time\ntime.sleep(4)\nprint('nobody was there')")
    wait_until(lambda: job.status().state == "RUNNING", "the job")
    no_apiserver.begin()
    assert not job.wait(6)
    no_apiserver.end()
    assert job.wait(90)
    assert (job.status().state, printed(job)) == ("SUCCEEDED", "nobody was there\n")


def test_without_kueue_nothing_is_created_and_jobs_wait_for_it(client, breakable, breakable_namespace, no_kueue):
    no_kueue.begin()
    job = submit(client, "print('at last')")
    assert job.status().state == "PENDING"
    assert "webhook" in job.why().summary
    assert breakable.list("-n", breakable_namespace, "jobs") == []
    gone = submit(client, "print('never')")
    gone.cancel()
    assert gone.wait(30)
    no_kueue.end()
    assert job.wait(120)
    assert printed(job) == "at last\n"
    assert printed(gone) == ""


def test_a_node_that_is_lost_is_left_for_another_attempt(client, no_kubelet):
    job = submit(client, LASTS)
    wait_until(lambda: "begun" in printed(job), "the first attempt")
    no_kubelet.begin()
    wait_until(lambda: job.status().attempt == 2, "the second attempt", 120)
    assert any("its node did not answer any more" in message for message in moves(job))
    no_kubelet.end()
    wait_until(lambda: ("RUNNING", "", 2) in states(job), "it runs again", 120)
    job.cancel()
    assert job.wait(120)
    assert states(job)[-1][:2] == ("CANCELLED", "CancelledByUser"), moves(job)
