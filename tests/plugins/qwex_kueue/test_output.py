"""What pods said, read over connections that break; the pods' logs and agents answer as they are told."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import replace

import pytest
from objects_as_the_api_has_them import RUNNING, condition, job, pod, terminated
from qwex_kueue import output as output_module
from qwex_kueue.journal import Journal
from qwex_kueue.output import Output
from qwex_kueue.parcels import LeftParcels
from qwex_kueue.runs import Runs
from qwex_kueue.settings import KueueSettings

from qwex.errors import ArtifactsUnavailable, BackendUnavailable, NotFound
from qwex.runner import leftovers
from qwex.runner.eventfile import EventFile
from qwex.runner.story import Story
from qwex.state import Position

pytestmark = pytest.mark.anyio
CUT = BackendUnavailable("the connection was cut")
GONE = terminated(0, "Completed")


class Server:
    """Gives out a pod's log, cut as often as it is told."""

    core = "/core"

    def __init__(self, log=b"", cuts=0):
        self.log = log
        self.cuts = cuts

    async def text(self, path, **query):
        yield self.log[: len(self.log) // 2]
        if self.cuts:
            self.cuts -= 1
            raise CUT
        yield self.log[len(self.log) // 2 :]


class Agents:
    """Stand for every pod's agent; each fails as often as it is told."""

    def __init__(self, **failures):
        self.failures = failures
        self.told = []
        self.followed = []

    def __call__(self, server, name):
        return copy.copy(self).of(name)

    def of(self, name):
        self.name = name
        return self

    async def events(self, after):
        self.followed.append(after)
        return
        yield

    async def last(self):
        return 7

    async def terminate(self):
        if self.failures.get("terminate", 0):
            self.failures["terminate"] -= 1
            raise CUT
        self.told.append((self.name, "terminate"))

    async def acknowledge(self, seq):
        if self.failures.get(self.name.rpartition("-")[2], 0):
            self.failures[self.name.rpartition("-")[2]] -= 1
            raise CUT
        self.told.append((self.name, seq))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(output_module, "_AGAIN", (0.0, 0.0))


@pytest.fixture
async def runs(tmp_path):
    journal = Journal(tmp_path / "kueue.db")
    journal.creates("train-abc", 1)
    runs = Runs(journal, KueueSettings(workload_patience=30), "me", lambda run_id, status: None)
    runs.complete()
    runs.job_changed(None, job())
    yield runs
    runs.forget("train-abc")
    journal.close()


RECORDS = (
    b'{"type":"stream","ts":1.0,"attempt":1,"seq":1,"name":"stdout","text":"one\\n"}\n'
    b'{"type":"exit","ts":2.0,"attempt":1,"seq":2,"code":3,"signal":null,"reason":"ExitCode","message":""}\n'
)


class Store:
    """What some pods have left; it is away as often as it is told."""

    def __init__(self, *parcels, away=0):
        self.parcels = {f"parcel-1-{number}": data for number, data in enumerate(parcels, 1)}
        self.away = away

    async def names(self, run_id):
        if self.away:
            self.away -= 1
            raise ArtifactsUnavailable("no answer")
        return list(self.parcels)

    async def read(self, run_id, name, start):
        data = self.parcels[name]
        for at in range(start, len(data), 7):
            yield data[at : at + 7]


def parcel(values, attempt=1, records=RECORDS, pod="pod-1"):
    """What a pod has left."""
    sizes = {name: len(data) for name, data in values.items()}
    exit = json.loads(records.splitlines()[-1])
    line = {"version": 1, "attempt": attempt, "pod": pod, "exit": exit, "records": len(records), "values": sizes}
    return json.dumps(line).encode() + b"\n" + records + b"".join(values.values())


def parcels(*left, numbers=(), **more):
    return LeftParcels(Store(*left, **more), lambda run_id: dict(numbers))


NOTHING = LeftParcels(None, lambda run_id: {})


def left(tmp_path):
    """What an agent leaves of three records in its log."""
    folder = tmp_path / "attempt"
    folder.mkdir()
    log = EventFile(str(folder))
    log.write("stream", name="stdout", text="one\n")
    log.write("stream", name="stdout", text="two\n")
    log.write("exit", code=0, signal=None, reason="", message="")
    log.close()
    story = Story(str(folder))
    story.advance()
    with open(tmp_path / "log", "w+b") as file:
        leftovers.write(file.fileno(), str(folder), story, 1 << 20)
        file.seek(0, io.SEEK_SET)
        return file.read()


async def test_what_an_agent_left_is_read_again_when_it_was_cut(runs, tmp_path):
    runs.pod_changed(None, pod(state=GONE, agent=GONE))
    output = Output(Server(left(tmp_path), cuts=2), runs, NOTHING)
    got = [lines async for lines in output.records(runs.get("train-abc"), 1, 1)]
    assert [json.loads(line)["type"] for line in b"".join(got).splitlines()] == ["stream", "exit"]
    assert runs.get("train-abc").exits[1]["code"] == 0


async def test_what_is_in_the_artifact_store_goes_before_what_the_pods_own_log_has(runs):
    runs.pod_changed(None, pod(state=GONE, agent=GONE))
    run, output = runs.get("train-abc"), Output(Server(b"damaged"), runs, parcels(parcel({"x": b"value"})))
    got = b"".join([lines async for lines in output.records(run, 1, 1)])
    assert got == RECORDS[RECORDS.index(b"\n") + 1 :]
    assert run.exits[1]["code"] == 3
    pod_of = run.pod(1)
    assert b"".join([chunk async for chunk in output.value("train-abc", 1, pod_of, "x")]) == b"value"
    runs.pod_changed(pod_of, None)
    assert b"".join([lines async for lines in output.records(run, 1, 1)]) == got, "nor is the pod needed"
    assert b"".join([chunk async for chunk in output.value("train-abc", 1, None, "x")]) == b"value"
    with pytest.raises(NotFound):
        [chunk async for chunk in output.value("train-abc", 1, None, "y")]


async def test_a_start_says_what_image_the_job_runs_in(runs):
    start = b'{"type":"start","ts":1.0,"attempt":1,"seq":1,"pid":7}\n' + RECORDS.replace(b'"seq":2', b'"seq":3')
    raw = pod(state=GONE, agent=GONE)
    main = raw.containers["job"]
    runs.pod_changed(None, replace(raw, containers={**raw.containers, "job": main._replace(image="x@sha256:1")}))
    output = Output(Server(), runs, parcels(parcel({}, records=start)))
    got = b"".join([lines async for lines in output.records(runs.get("train-abc"), 1, 0)])
    assert json.loads(got.splitlines()[0])["image"] == "x@sha256:1"
    assert got.count(b"\n") == 3


async def test_nothing_is_given_when_nothing_is_left_that_was_not_seen(runs, tmp_path):
    runs.pod_changed(None, pod(state=GONE, agent=GONE))
    output = Output(Server(left(tmp_path)), runs, NOTHING)
    assert [lines async for lines in output.records(runs.get("train-abc"), 1, 3)] == []


async def test_every_agent_up_to_an_attempt_is_let_go_however_often_that_takes(runs, monkeypatch):
    agents = Agents(**{"2": 2})
    monkeypatch.setattr(output_module, "Agent", agents)
    for number in (1, 2, 3):
        runs.pod_changed(None, pod(uid=f"pod-{number}", state=RUNNING, agent=RUNNING))
    await Output(Server(), runs, NOTHING).acknowledge(runs.get("train-abc"), Position(2, 5))
    assert agents.told == [("train-abc-pod-1", 7), ("train-abc-pod-2", 5)]


async def test_an_agent_whose_job_never_began_is_told_that_its_pod_ends(runs, monkeypatch):
    agents = Agents(terminate=2)
    monkeypatch.setattr(output_module, "Agent", agents)
    ending = pod(state={"waiting": {"reason": "PodInitializing"}}, agent=RUNNING, deleted=True)
    runs.pod_changed(None, ending)
    await Output(Server(), runs, NOTHING).see_the_end(runs.get("train-abc"), ending)
    assert agents.told == [("train-abc-pod-1", "terminate")]


async def test_an_agent_that_cannot_be_told_is_not_passed_over_in_silence(runs, monkeypatch):
    """And keeps no other from being let go."""
    agents = Agents(**{"1": 99})
    monkeypatch.setattr(output_module, "Agent", agents)
    for number in (1, 2):
        runs.pod_changed(None, pod(uid=f"pod-{number}", state=RUNNING, agent=RUNNING))
    with pytest.raises(BackendUnavailable):
        await Output(Server(), runs, NOTHING).acknowledge(runs.get("train-abc"), Position(2, 5))
    assert agents.told == [("train-abc-pod-2", 5)]


async def test_a_pod_whose_node_is_away_is_not_asked_again_and_again(runs, monkeypatch):
    asked = []

    async def events(self, after):
        asked.append(after)
        raise CUT
        yield

    monkeypatch.setattr(output_module, "_AGAIN", (0.0,) * 9)
    monkeypatch.setattr(output_module, "Agent", Agents())
    monkeypatch.setattr(Agents, "events", events)
    away = condition("DisruptionTarget", reason="DeletionByTaintManager")
    runs.pod_changed(None, pod(away, state=RUNNING, agent=RUNNING, deleted=True))
    output = Output(Server(), runs, NOTHING)
    assert [lines async for lines in output.records(runs.get("train-abc"), 1, 0)] == []
    assert asked == [0, 0, 0]


async def test_a_pod_on_a_node_that_does_not_answer_holds_up_no_later_attempt(runs, monkeypatch):
    agents = Agents(**{"1": 99})
    monkeypatch.setattr(output_module, "Agent", agents)
    away = condition("DisruptionTarget", reason="DeletionByTaintManager")
    runs.pod_changed(None, pod(away, uid="pod-1", state=RUNNING, agent=RUNNING, deleted=True))
    runs.job_changed(None, job(attempt=2, name="train-abc--2"))
    runs.pod_changed(None, pod(uid="pod-2", job_uid="job-train-abc-2", state=RUNNING, agent=RUNNING))
    run, output = runs.get("train-abc"), Output(Server(), runs, NOTHING)
    assert [lines async for lines in output.records(run, 1, 0)] == []
    await output.acknowledge(run, Position(2, 5))
    assert agents.told == [("train-abc-pod-2", 5)]


async def test_a_pod_that_had_no_node_yet_holds_up_no_later_attempt(runs):
    runs.pod_changed(None, pod(node="", deleted=True))
    runs.job_changed(None, job(attempt=2, name="train-abc--2"))
    assert [lines async for lines in Output(Server(), runs, NOTHING).records(runs.get("train-abc"), 1, 0)] == []


async def test_a_pod_that_nobody_asked_for_is_let_go_at_its_end(runs, monkeypatch):
    agents = Agents()
    monkeypatch.setattr(output_module, "Agent", agents)
    runs.pod_changed(None, pod(state=GONE, agent=GONE))
    stray = pod(uid="pod-2", state=RUNNING, agent=RUNNING, deleted=True)
    runs.pod_changed(None, stray)
    await Output(Server(), runs, NOTHING).see_the_end(runs.get("train-abc"), stray)
    assert agents.followed == [7]
    assert agents.told == [("train-abc-pod-2", 7)]
