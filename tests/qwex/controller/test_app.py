"""The API over a real socket: every route, and what is refused."""

from __future__ import annotations

import getpass
import hashlib
import json
import socket
import struct

import pytest
import yaml
from frames import parse_frames
from ipynb import notebook


def submit(daemon, run_id, **more):
    status, _, record = daemon.call("POST", "/jobs", daemon.job(run_id, **more))
    assert status == 201, record
    return record


def finish(daemon, run_id, *printed, **end):
    daemon.script(run_id).say("RUNNING")
    daemon.wait(run_id, "RUNNING")
    daemon.script(run_id).finish(*printed, **end)
    return daemon.wait(run_id, "SUCCEEDED", "FAILED")


def refused(answer, status, code):
    found, headers, problem = answer
    assert (found, problem["status"], problem["code"]) == (status, status, code), problem
    assert headers["content-type"] == "application/problem+json"
    assert problem["detail"]
    return problem


def test_submit_and_get(daemon):
    record = submit(daemon, "one", name="mine", tags={"a": "b"})
    assert (record["id"], record["state"], record["name"]) == ("one", "QUEUED", "mine")
    assert daemon.call("GET", "/jobs/one")[2] == record
    assert daemon.call("POST", "/jobs", daemon.job("one", name="mine", tags={"a": "b"}))[0] == 200
    refused(daemon.call("POST", "/jobs", daemon.job("one", name="other")), 409, "conflict")
    assert daemon.call("GET", "/jobs/one/spec")[2]["args"] == ["true"]
    refused(daemon.call("GET", "/jobs/two"), 404, "not-found")


def test_a_notebook_comes_with_its_outputs(daemon):
    source = {"kind": "notebook", "text": notebook("x = 1\nx", "print(x)"), "name": "/a/report.ipynb"}
    status, _, record = daemon.call("POST", "/jobs", {"spec": {"source": source}, "run_id": "one"})
    assert (status, record["kind"], record["name"]) == (201, "notebook", "report.ipynb")
    script = daemon.script("one")
    script.record("cell", id="cell-1", number=1, total=2)
    script.record("result", data={"text/plain": "1"}, metadata={}, execution_count=1)
    finish(daemon, "one")
    status, headers, found = daemon.call("GET", "/jobs/one/notebook")
    assert (status, headers["content-type"]) == (200, "application/x-ipynb+json")
    assert headers["content-disposition"] == 'attachment; filename="one.ipynb"'
    assert [[output["data"] for output in cell["outputs"]] for cell in found["cells"]] == [[{"text/plain": "1"}], []]
    assert found["metadata"]["qwex"]["state"] == "SUCCEEDED"
    submit(daemon, "two")
    assert "no notebook" in refused(daemon.call("GET", "/jobs/two/notebook"), 404, "not-found")["detail"]


def test_a_spec_as_yaml_is_the_same_job(daemon):
    source = {"kind": "cell", "text": "x = y + 1\n\nprint(x)  \n", "name": "In [3]", "line_offset": 2}
    value = {"data": "gARLAi4=", "size": 5, "python": "3.12"}
    spec = {"source": source, "inputs": {"y": value}, "outputs": ["x"], "env": {"TOKEN": "s3cret"}, "timeout": 90}
    daemon.call("POST", "/jobs", {"run_id": "one", "spec": spec})
    status, headers, text = daemon.call("GET", "/jobs/one/spec", headers={"Accept": "application/yaml"})
    assert (status, headers["content-type"]) == (200, "application/yaml")
    assert b"  text: |\n    x = y + 1\n\n    print(x)  \n" in text
    assert b"retries" not in text
    assert daemon.call("POST", "/jobs", {"run_id": "two", "spec": yaml.safe_load(text)})[0] == 201
    assert daemon.call("GET", "/jobs/two/spec")[2] == daemon.call("GET", "/jobs/one/spec")[2]


def test_idempotency_key(daemon):
    body = {"spec": daemon.job("x")["spec"]}
    first = daemon.call("POST", "/jobs", body, {"Idempotency-Key": "k"})
    again = daemon.call("POST", "/jobs", body, {"Idempotency-Key": "k"})
    assert (first[0], again[0]) == (201, 200)
    assert first[2]["id"] == again[2]["id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"not json", ""),
        (b"\xff\xfe", ""),
        ({"spec": {}}, "spec.source"),
        ({"spec": {"source": {"kind": "cell", "text": "1"}, "gpus": 1}}, "spec.gpus"),
        ({"spec": {"source": {"kind": "command"}, "args": ["x"], "resources": {"cpu": "many"}}}, "spec.resources.cpu"),
        ({"run_id": "../../etc", "spec": {"source": {"kind": "command"}, "args": ["x"]}}, "run_id"),
        ({"spec": {"source": {"kind": "command"}, "args": ["x"], "queue": "nowhere"}}, "queue"),
        ({"spec": {"source": {"kind": "command"}, "args": ["x"], "name": "a\x1b[31m"}}, "spec.name"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(daemon, body, field):
    problem = refused(daemon.call("POST", "/jobs", body), 400, "invalid-spec")
    assert field in [each["field"] for each in problem["problems"]]
    assert daemon.call("GET", "/jobs")[2]["total"] == 0


def test_unknown_backend_in_a_body_is_the_bodys_fault(daemon):
    refused(daemon.call("POST", "/jobs", daemon.job("one", backend="slurm")), 400, "unknown-backend")


def test_batch(daemon):
    status, _, body = daemon.call("POST", "/jobs/batch", {"jobs": [daemon.job(f"job-{n}") for n in range(3)]})
    assert (status, [job["id"] for job in body["jobs"]]) == (201, ["job-0", "job-1", "job-2"])
    refused(daemon.call("POST", "/jobs/batch", {"jobs": []}), 400, "invalid-spec")


def test_jobs_of_other_controllers(daemon, home):
    common = {"kind": "", "backend": "scripted", "user": "ada"}
    theirs = [
        {**common, "id": f"train-{n}", "name": "train.py", "state": state, "created_at": n, "queue": queue}
        for n, (state, queue) in enumerate([("RUNNING", "a"), ("QUEUED", "b")])
    ]
    assert daemon.call("GET", "/elsewhere")[2]["jobs"] == []
    (home / "scripted" / "elsewhere.json").write_text(json.dumps(theirs))
    for query, found in [
        ("", ["train-1", "train-0"]),
        ("state=running", ["train-0"]),
        ("queue=b&name=train", ["train-1"]),
        ("user=ada&name=train-0", ["train-0"]),
        ("user=me", []),
        ("tag=x", []),
    ]:
        assert [job["id"] for job in daemon.call("GET", f"/elsewhere?{query}")[2]["jobs"]] == found
    assert daemon.call("GET", "/jobs")[2]["total"] == 0
    for route in ("", "/why", "/logs", "/events", "/spec", "/notebook"):
        told = refused(daemon.call("GET", f"/jobs/train-1{route}"), 404, "not-found")
        assert told["detail"].startswith("train-1 is looked after by another controller, for the user ada: QUEUED in b")


def test_list_page_by_page(daemon):
    jobs = [daemon.job(f"job-{n}", tags={"n": str(n % 2)}, group="even" if n % 2 else None) for n in range(7)]
    daemon.call("POST", "/jobs/batch", {"jobs": jobs})
    seen, cursor = [], ""
    while cursor is not None:
        page = daemon.call("GET", f"/jobs?limit=3{f'&cursor={cursor}' if cursor else ''}")[2]
        assert page["total"] == 7
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert seen == [f"job-{n}" for n in range(6, -1, -1)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=queued", ["b", "a"]),
        ("status=QUEUED,RUNNING", ["b", "a"]),
        ("state=running&state=failed", []),
        ("user=me", ["b", "a"]),
        ("user=nobody", []),
        ("name=first", ["a"]),
        ("name=fir", ["a"]),
        ("name=b", ["b"]),
        ("name=irst", []),
        ("name=%25", []),
        ("match=IRST", ["a"]),
        ("match=S", ["b", "a"]),
        ("match=%25", []),
        ("group=g", ["b"]),
        ("tag=k", ["b", "a"]),
        ("tag=k=1", ["a"]),
        ("tag=k.l=1", []),
        ("backend=scripted", ["b", "a"]),
        ("backend=other", []),
        ("since=0", ["b", "a"]),
        ("since=2999-01-01T00:00:00Z", []),
    ],
)
def test_filters(daemon, query, found):
    submit(daemon, "a", name="first", tags={"k": "1"})
    submit(daemon, "b", name="second", tags={"k": "2"}, group="g")
    page = daemon.call("GET", f"/jobs?{query}")[2]
    assert ([job["id"] for job in page["jobs"]], page["total"]) == (found, len(found))


def test_the_newest_end_first(daemon):
    for name in ("first", "second", "third", "fourth"):
        submit(daemon, name)
    for name in ("third", "first"):
        finish(daemon, name)
    seen, cursor = [], ""
    while cursor is not None:
        page = daemon.call("GET", f"/jobs?order=ended&limit=1{cursor and f'&cursor={cursor}'}")[2]
        assert page["total"] == 4
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert seen == ["fourth", "second", "first", "third"]


def test_counts(daemon):
    submit(daemon, "a")
    submit(daemon, "b", tags={"k": "1"})
    submit(daemon, "c")
    finish(daemon, "c")
    nothing = dict.fromkeys(("PENDING", "QUEUED", "ADMITTED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"), 0)
    assert daemon.call("GET", "/counts")[2] == {**nothing, "QUEUED": 2, "SUCCEEDED": 1}
    assert daemon.call("GET", "/counts?tag=k")[2] == {**nothing, "QUEUED": 1}
    assert daemon.call("GET", "/counts?user=nobody")[2] == nothing
    refused(daemon.call("GET", "/counts?state=quued"), 400, "invalid-spec")


def test_glance(daemon):
    submit(daemon, "a")
    submit(daemon, "b")
    finish(daemon, "b", "3/4 [==>.]\n")
    seen = daemon.call("GET", "/glance?id=b&id=none&id=a&id=b")[2]["jobs"]
    assert seen[0] == {"id": "b", "line": "3/4 [==>.]", "progress": 0.75, "why": None}
    assert seen[1] == {"id": "a", "line": "", "progress": None, "why": daemon.call("GET", "/jobs/a/why")[2]}
    assert len(seen) == 2
    assert daemon.call("GET", "/glance")[2] == {"jobs": []}
    problem = refused(daemon.call("GET", "/glance?" + "&".join(f"id=job-{n}" for n in range(201))), 400, "invalid-spec")
    assert problem["problems"][0]["field"] == "id"


def test_whoami(daemon):
    assert daemon.call("GET", "/whoami")[2] == {"user": getpass.getuser(), "own": True}


@pytest.mark.parametrize(
    "query", ["state=quued", "limit=5000", "limit=-1", "cursor=x", "since=yesterday", "limit=x", "order=end"]
)
def test_wrong_filters_are_named(daemon, query):
    problem = refused(daemon.call("GET", f"/jobs?{query}"), 400, "invalid-spec")
    assert problem["problems"][0]["field"] == query.partition("=")[0]


def test_events_resume_where_the_reader_was(daemon):
    submit(daemon, "one")
    finish(daemon, "one", "a\n", "b\n")
    frames = daemon.frames("one")
    assert [id for id, _, _ in frames] == list(range(1, len(frames) + 1))
    assert parse_frames(daemon.call("GET", "/jobs/one/events", headers={"Last-Event-ID": "3"})[2]) == frames[3:]
    assert daemon.frames("one", "?after=4&types=state") == [f for f in frames[4:] if f[1] == "state"]
    assert daemon.frames("one", "?tail=0") == [frame for frame in frames if frame[1] != "stream"]
    assert daemon.frames("one", "?tail=0&after=3") == frames[3:]
    for query in ("after=x", "tail=x", "tail=-1"):
        refused(daemon.call("GET", f"/jobs/one/events?{query}"), 400, "invalid-spec")
    refused(daemon.call("GET", "/jobs/none/events"), 404, "not-found")


def test_why_changes_reach_a_waiting_reader(daemon):
    submit(daemon, "one")
    connection = daemon.connect()
    connection.request("GET", "/jobs/one/events?why=1")
    answer = connection.getresponse()
    said = b""

    def until(wanted):
        nonlocal said
        while wanted not in said:
            said += answer.readline()

    until(b"it waits for its script")
    (daemon.home / "scripted" / "why").write_text("now for something else")
    submit(daemon, "two")
    until(b"now for something else")
    daemon.script("one").say("RUNNING")
    until(b"RUNNING")
    daemon.script("one").finish()
    until(b"SUCCEEDED")
    connection.close()
    assert daemon.call("GET", "/jobs/one/why")[2]["summary"].startswith("it has ended")


def test_logs(daemon):
    submit(daemon, "one")
    finish(daemon, "one", "ä\n", "b\n")
    status, headers, text = daemon.call("GET", "/jobs/one/logs")
    assert (status, text.decode()) == (200, "ä\nb\n")
    frames = daemon.frames("one")
    assert int(headers["x-qwex-last-event"]) == len(frames)
    seen = next(id for id, _, data in frames if data.get("text") == "ä\n")
    assert daemon.call("GET", f"/jobs/one/logs?offset={seen}")[2] == b"b\n"
    assert daemon.call("GET", "/jobs/one/logs?follow=1")[2].decode() == "ä\nb\n"


def test_values(daemon):
    submit(daemon, "one")
    script = daemon.script("one")
    (script.folder / "value-x").write_bytes(b"bytes")
    refused(daemon.call("GET", "/jobs/one/values/x"), 404, "not-found")
    script.say("RUNNING")
    daemon.wait("one", "RUNNING")
    digest = f"sha256:{hashlib.sha256(b'bytes').hexdigest()}"
    for name in ("x", "gone"):
        script.record("value", name=name, type_name="int", size=5, digest=digest, format="cloudpickle")
    script.finish()
    daemon.wait("one", "SUCCEEDED")
    status, headers, data = daemon.call("GET", "/jobs/one/values/x")
    assert (status, data, headers["x-qwex-digest"], headers["x-qwex-format"]) == (
        200,
        b"bytes",
        digest,
        "cloudpickle",
    )
    refused(daemon.call("GET", "/jobs/one/values/gone"), 404, "not-found")
    refused(daemon.call("GET", "/jobs/one/values/y"), 404, "not-found")


def test_cancel(daemon):
    submit(daemon, "one")
    assert daemon.call("DELETE", "/jobs/one")[0] == 202
    assert daemon.wait("one", "CANCELLED")["reason"] == "CancelledByUser"
    assert daemon.call("DELETE", "/jobs/one")[2]["state"] == "CANCELLED"
    refused(daemon.call("DELETE", "/jobs/none"), 404, "not-found")


def test_resubmit_and_preflight(daemon):
    submit(daemon, "one")
    status, _, record = daemon.call("POST", "/jobs/one/resubmit", {"changes": {"name": "again"}})
    assert (status, record["name"]) == (201, "again")
    refused(daemon.call("POST", "/jobs/one/resubmit", {"changes": {"priority": "x"}}), 400, "invalid-spec")
    answer = daemon.call("POST", "/preflight", {"spec": daemon.job("x")["spec"]})[2]
    assert (answer["why"], json.loads(answer["rendered"])["args"]) == (None, ["true"])


def test_changes_of_all_jobs(daemon):
    connection = daemon.connect()
    connection.request("GET", "/events")
    answer = connection.getresponse()
    submit(daemon, "one")
    seen = []
    while seen[-1:] != ["QUEUED"]:
        line = answer.readline()
        if line.startswith(b"data: "):
            seen.append(json.loads(line[6:])["state"])
    assert seen == ["PENDING", "QUEUED"]
    connection.close()


def test_blobs_without_a_store(daemon):
    digest = "sha256:" + hashlib.sha256(b"x").hexdigest()
    assert daemon.call("HEAD", f"/blobs/{digest}")[0] == 404
    refused(daemon.call("PUT", f"/blobs/{digest}", b"x"), 404, "not-found")


def test_what_is_installed(daemon):
    backends = {each["name"]: each for each in daemon.call("GET", "/backends")[2]["backends"]}
    assert set(backends) == {"fleeting", "scripted"}
    backend = backends["scripted"]
    assert (backend["name"], backend["plugin"], backend["version"]) == ("scripted", "scripted", "1.0")
    assert backend["options"]["type"] == "object"
    (plugin,) = daemon.call("GET", "/plugins")[2]["plugins"]
    assert (plugin["module"], sorted(plugin["backends"]), plugin["error"]) == ("scripted", ["fleeting", "scripted"], "")
    assert daemon.call("GET", "/queues")[2] == {"queues": [], "away": {}}
    nothing = {"kinds": [], "quotas": [], "notes": []}
    assert daemon.call("GET", "/gpus")[2] == {"reports": {"scripted": nothing}, "away": {}}


def test_health_and_metrics(daemon):
    health = daemon.call("GET", "/healthz")[2]
    assert (health["status"], health["pid"], health["api"]) == ("ok", daemon.process.pid, 1)
    assert daemon.call("GET", "/readyz")[0] == 200
    pytest.importorskip("prometheus_client")
    submit(daemon, "one")
    text = daemon.call("GET", "/metrics")[2].decode()
    assert 'qwex_jobs{state="QUEUED"} 1.0' in text
    assert "qwex_jobs_submitted_total 1.0" in text


def test_routes_and_methods_that_are_not_there(daemon):
    refused(daemon.call("GET", "/nowhere"), 404, "not-found")
    assert daemon.call("PATCH", "/jobs/one")[0] == 405
    assert daemon.call("GET", "/openapi.json")[2]["openapi"].startswith("3.1")


def test_a_large_body_is_refused_before_it_is_read(daemon):
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(daemon.home / "controller.sock"))
        raw.settimeout(30)
        raw.sendall(b"POST /jobs HTTP/1.1\r\nhost: q\r\ncontent-length: 50000000\r\n\r\n{")
        assert raw.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert daemon.call("GET", "/healthz")[0] == 200


def test_a_large_body_without_a_length_is_refused_too(daemon):
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(daemon.home / "controller.sock"))
        raw.settimeout(30)
        raw.sendall(b"POST /jobs HTTP/1.1\r\nhost: q\r\ntransfer-encoding: chunked\r\n\r\n")
        try:
            for _ in range(50):
                raw.sendall(b"f4240\r\n" + b" " * 1_000_000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert raw.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_reader_that_goes_is_forgotten(daemon):
    submit(daemon, "one")
    for _ in range(20):
        connection = daemon.connect()
        connection.request("GET", "/jobs/one/events")
        connection.getresponse().readline()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    pytest.importorskip("prometheus_client")
    for _ in range(1000):
        if "qwex_open_requests 1.0" in daemon.call("GET", "/metrics")[2].decode():
            return
    raise AssertionError("streams without readers are still open")
