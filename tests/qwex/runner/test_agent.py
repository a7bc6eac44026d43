"""The agent gives out what the job says, whole and once, and stays until somebody has it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import threading
from urllib.parse import quote

import pytest

from qwex.runner import leftovers

from .conftest import wait_until
from .pods import Pod, records
from .stores import store

ASK = b"GET /state HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"


def says(log, *texts):
    for text in texts:
        assert log.write("stream", name="stdout", text=text)


def ends(log, **fields):
    assert log.write("exit", **{"code": 0, "signal": None, "reason": "", "message": "", **fields})
    log.close()


def test_a_job_and_its_agent(pod):
    agent = pod.agent()
    run = pod.describe("script", "print('hello')\nanswer = 42", outputs=["answer"]).run()
    body = pod.events()
    assert body == pod.log.read_bytes()
    last = records(body)[-1]
    assert (last["type"], last["code"], last["attempt"]) == ("exit", 0, 3)
    assert pod.get("/values/answer") == (200, (pod.folder / "values" / "answer").read_bytes())
    state = {"version": 1, "attempt": 3, "seq": last["seq"], "ended": True, "exit_seq": last["seq"], "acknowledged": 0}
    assert pod.state == state
    assert pod.acknowledge(last["seq"]) == 204
    assert pod.end(agent) == (0, "", "")
    assert pod.end(run)[0] == 0


def test_either_comes_first(pod):
    run = pod.describe("script", "print('early')").run()
    assert pod.end(run) == (0, "", "")
    pod.agent()
    assert records(pod.events())[1]["text"] == "early\n"


def test_a_line_is_there_before_the_next(pod):
    pod.agent()
    log = pod.writer()
    connection, answer = pod.follow()
    for number in range(50):
        says(log, str(number))
        assert json.loads(answer.readline())["text"] == str(number)
    ends(log)
    assert records(answer.read())[-1]["type"] == "exit"
    connection.close()


@pytest.mark.parametrize("seed", range(3))
def test_resumed_after_cuts_nothing_is_lost_or_doubled(pod, seed):
    chance = random.Random(seed)
    sizes = [chance.choice([0, 10, 500, 20_000, 300_000, 1_500_000]) for _ in range(40)]
    pod.agent()
    log = pod.writer()
    says(log, *("x" * size for size in sizes[:20]))
    got = b""
    for size in sizes[20:]:
        says(log, "x" * size)
        connection, answer = pod.follow(after=got.count(b"\n"))
        data = answer.read1(chance.choice([1, 200, 70_000, 2_000_000]))
        connection.close()
        got += data[: data.rfind(b"\n") + 1]
    ends(log)
    got += pod.events(after=got.count(b"\n"))
    assert got == pod.log.read_bytes()
    assert pod.events(after=len(sizes) + 1) == b""


def test_the_end_is_told_from_a_cut(pod):
    agent = pod.agent()
    log = pod.writer()
    says(log, "half of it")
    connection, answer = pod.follow()
    agent.kill()
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    connection.close()
    log.close()


def test_readers_do_not_wait_for_each_other(pod):
    pod.agent()
    log = pod.writer()
    stuck = socket.create_connection(("127.0.0.1", pod.port))
    stuck.sendall(b"GET /events?follow=1 HTTP/1.1\r\nHost: agent\r\n\r\n")
    bodies = []
    readers = [threading.Thread(target=lambda: bodies.append(pod.events())) for _ in range(2)]
    for reader in readers:
        reader.start()
    says(log, *["x" * 200_000] * 60)
    ends(log)
    for reader in readers:
        reader.join()
    assert bodies == [pod.log.read_bytes()] * 2
    stuck.close()


def test_a_stuck_reader_does_not_hold_up_the_end(pod):
    agent = pod.agent()
    log = pod.writer()
    says(log, *["x" * 200_000] * 60)
    ends(log)
    with socket.create_connection(("127.0.0.1", pod.port)) as stuck:
        stuck.sendall(b"GET /events HTTP/1.1\r\nHost: agent\r\n\r\n")
        assert stuck.recv(10)
        assert pod.acknowledge(61) == 204
        assert pod.end(agent) == (0, "", "")


def test_readers_that_vanish_free_their_places(pod):
    pod.agent()
    log = pod.writer()
    says(log, "hello")
    for _ in range(3):
        readers = [pod.follow()[0] for _ in range(30)]
        for reader in readers:
            reader.close()
    readers = [wait_until(pod.reader, "a free place") for _ in range(64)]
    assert pod.get("/state")[0] == 503
    for reader in readers:
        reader.close()
    wait_until(lambda: pod.get("/state")[0] == 200, "a free place")
    log.close()


def test_a_long_log(pod):
    pod.agent()
    log = pod.writer()
    says(log, *[chr(65 + number % 26) * 256_000 for number in range(200)])
    ends(log)
    lines = pod.log.read_bytes().splitlines(keepends=True)
    assert sum(map(len, lines)) > 50_000_000
    for after in (0, 7, 150, 200):
        body = pod.events(after=after)
        assert hashlib.sha256(body).digest() == hashlib.sha256(b"".join(lines[after:])).digest()


def test_without_follow_it_ends_with_what_is_there(pod):
    pod.agent()
    assert pod.events(follow=False) == b""
    log = pod.writer()
    says(log, "a", "b")
    assert [record["text"] for record in records(pod.events(follow=False))] == ["a", "b"]
    assert [record["text"] for record in records(pod.events(after=1, follow=False))] == ["b"]
    log.close()


def test_half_a_record_is_not_given_out(pod):
    pod.agent()
    log = pod.writer()
    says(log, "whole")
    with pod.log.open("ab") as file:
        file.write(b'{"type":"stream","text":"half')
    assert pod.state["seq"] == 1
    assert records(pod.events(follow=False))[0]["text"] == "whole"
    log.close()
    lost = records(pod.events())[1]
    assert (lost["type"], lost["seq"], lost["reason"]) == ("exit", 2, "Lost")
    assert pod.log.read_bytes() == pod.events()


def test_killed_from_outside(pod):
    pod.agent()
    run = pod.describe("script", "print('ready', flush=True)\nimport time\ntime.sleep(60)").run()
    connection, answer = pod.follow()
    while json.loads(answer.readline()).get("text") != "ready\n":
        pass
    run.kill()
    (lost,) = records(answer.read())
    assert lost.pop("ts") > 0
    assert lost == {
        "type": "exit",
        "attempt": 3,
        "seq": 3,
        "code": 137,
        "signal": "SIGKILL",
        "reason": "Lost",
        "message": "the job's processes were killed from outside",
        "terminated": False,
        "peak_memory": None,
        "cpu_time": None,
        "duration": None,
    }
    assert records(pod.log.read_bytes())[-1]["reason"] == "Lost"
    connection.close()


@pytest.mark.parametrize("told", ["by the system", "by its controller"])
def test_ended_before_it_began(pod, told):
    """Nobody has anything to wait for."""
    agent = pod.agent()
    connection, answer = pod.follow()
    if told == "by the system":
        agent.send_signal(signal.SIGTERM)
    else:
        assert pod.get("/terminate", "POST")[0] == 204
    (failed,) = records(answer.read())
    connection.close()
    assert (failed["reason"], failed["code"], failed["attempt"], failed["seq"]) == ("StartFailed", 126, 3, 1)
    assert failed["terminated"]
    assert failed["message"] == "the job's container ended before the job began"
    code, out, _ = pod.end(agent)
    assert code == 0
    assert records(leftovers.parse(out).records) == [failed]
    assert pod.end(pod.run()) == (0, "", "")


def test_told_to_end_while_the_job_goes_on(pod):
    agent = pod.agent()
    log = pod.writer()
    agent.send_signal(signal.SIGTERM)
    connection, answer = pod.follow()
    says(log, "still here")
    assert json.loads(answer.readline())["text"] == "still here"
    ends(log, reason="Preempted", code=143)
    assert records(answer.read())[-1]["reason"] == "Preempted"
    connection.close()


def test_an_agent_that_is_started_again(pod):
    agent = pod.agent()
    log = pod.writer()
    says(log, "one")
    wait_until(lambda: pod.state["seq"] == 1, "the record")
    agent.kill()
    agent.wait()
    log.close()  # unseen by either
    agent = pod.agent()
    assert pod.state["ended"] is False
    agent.send_signal(signal.SIGTERM)
    assert records(pod.events())[-1]["reason"] == "Lost"
    assert pod.acknowledge(2) == 204
    assert pod.end(agent)[0] == 0
    again = pod.start("agent", "--port", "0", "--linger", "60")
    assert pod.end(again) == (0, "", "")


def test_a_job_container_that_is_started_again(pod):
    pod.agent()
    pod.describe("script", "open('runs', 'a').write('x')")
    assert pod.end(pod.run())[0] == 0
    before = pod.log.read_bytes()
    assert pod.end(pod.run())[0] == 0
    assert (pod.work / "runs").read_text() == "x"
    assert pod.log.read_bytes() == before == pod.events()


def test_only_what_is_there_can_be_acknowledged(pod):
    agent = pod.agent()
    log = pod.writer()
    says(log, "one")
    wait_until(lambda: pod.acknowledge(1) == 204, "the record")
    assert pod.acknowledge(2) == 409
    ends(log)
    pod.events()
    assert pod.state["acknowledged"] == 1
    assert pod.acknowledge(1) == 204
    assert agent.poll() is None
    assert pod.acknowledge(2) == 204
    assert pod.end(agent) == (0, "", "")


def test_what_nobody_fetched_is_left_in_the_output(pod):
    agent = pod.agent(linger=0)
    (pod.folder / "values").mkdir()
    (pod.folder / "values" / "small").write_bytes(b"\x80small")
    (pod.folder / "values" / "large").write_bytes(bytes(5_000_000))
    log = pod.writer()
    says(log, "one", "zwölf")
    ends(log)
    code, out, err = pod.end(agent)
    assert (code, err) == (0, "")
    assert leftovers.parse(out) == (pod.log.read_bytes(), {"small": b"\x80small"})


def test_lingering_begins_with_the_end_of_the_container(pod):
    agent = pod.agent(linger=0)
    agent.send_signal(signal.SIGTERM)
    code, out, _ = pod.end(agent)
    assert code == 0
    assert records(leftovers.parse(out).records)[0]["reason"] == "StartFailed"


def test_too_much_to_be_left(pod):
    agent = pod.agent(linger=0, keep=100_000)
    log = pod.writer()
    chance = random.Random(0)
    says(log, *[chance.randbytes(300).hex() for _ in range(2000)])
    ends(log)
    out = pod.end(agent)[1]
    assert 80_000 < len(out) < 102_000
    kept = records(leftovers.parse(out).records)
    (notice,) = [record for record in kept if record["type"] == "notice"]
    at = kept.index(notice)
    assert (notice["code"], notice["lost"], notice["seq"]) == ("output-lost", 2001 - len(kept) + 1, at + 1)
    whole = records(pod.log.read_bytes())
    assert kept[:at] == whole[:at]
    assert kept[at + 1 :] == whole[at + notice["lost"] :]
    assert 2 * at < len(kept)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET / HTTP/1.1", 404),
        (b"GET /values HTTP/1.1", 404),
        (b"GET /values/ HTTP/1.1", 404),
        (b"GET /values/..%2Fjob.json HTTP/1.1", 404),
        (b"GET /values/nothing HTTP/1.1", 404),
        (b"GET /events?after=-1 HTTP/1.1", 400),
        (b"GET /events?after=x HTTP/1.1", 400),
        (b"GET /events?after=" + b"9" * 5000 + b" HTTP/1.1", 400),
        (b"POST /acknowledge HTTP/1.1", 400),
        (b"GET /acknowledge?seq=1 HTTP/1.1", 405),
        (b"POST /events HTTP/1.1", 405),
        (b"DELETE /values/x HTTP/1.1", 405),
        (b"GET /state HTTP/1.0", 400),
        (b"GET  /state HTTP/1.1", 400),
        (b"GET http://agent/state HTTP/1.1", 400),
        (b"\x16\x03\x01\x02", 400),
        (b"GET /state HTTP/1.1\r\nHost: another", 400),
        (b"GET /state HTTP/1.1\r\nno colon", 400),
        (b"GET /state HTTP/1.1\r\n folded: yes", 400),
        (b"POST /acknowledge?seq=0 HTTP/1.1\r\nContent-Length: 2", 400),
        (b"POST /acknowledge?seq=0 HTTP/1.1\r\nTransfer-Encoding: chunked", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1", 431),
        (b"GET /state HTTP/1.1\r\nX: " + b"x" * 20_000, 431),
        (b"GET /state HTTP/1.1", 200),
    ],
)
def test_bad_requests_are_answered_by_a_sentence(request_line, status, shared):
    answer = shared.raw(request_line + b"\r\nHost: agent\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert f"content-length: {len(body)}".encode() in head
    assert body.count(b"\n") == (status != 200)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    path = tmp_path_factory.mktemp("pod")
    pod = Pod(path, path)
    pod.agent()
    yield pod
    pod.close()


def test_without_a_host(shared):
    assert b" 400 " in shared.raw(b"GET /state HTTP/1.1\r\n\r\n")


def test_requests_on_one_connection(shared):
    answers = shared.raw(ASK.replace(b"Connection: close\r\n", b"") * 3 + ASK)
    assert answers.count(b"HTTP/1.1 200 OK") == answers.count(b'"ended": false') == 4


def test_a_request_in_pieces(shared):
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        for at in range(len(ASK)):
            connection.sendall(ASK[at : at + 1])
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_values_are_plain_files(shared):
    values = shared.folder / "values"
    values.mkdir()
    (values / "empty").write_bytes(b"")
    (values / "größe").write_bytes(b"large")
    (values / "elsewhere").symlink_to("/etc/passwd")
    (values / "folder").mkdir()
    os.mkfifo(values / "fifo")
    assert shared.get("/values/empty") == (200, b"")
    assert shared.get("/values/gr%C3%B6%C3%9Fe") == (200, b"large")
    for name in ("elsewhere", "folder", "fifo"):
        assert shared.get(f"/values/{name}")[0] == 404


def test_the_port_is_taken(shared, pod):
    agent = pod.start("agent", "--port", str(shared.port))
    code, out, err = pod.end(agent)
    assert (code, out) == (1, "")
    assert err == f"qwex agent: cannot listen on port {shared.port}: Address already in use\n"


@pytest.fixture
def full(pod):
    """The job folder on a file system without any space."""
    disk = pod.folder.parent
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.getuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_the_end_is_told_from_memory_when_the_disk_is_full(pod, full):
    agent = pod.agent()
    log = pod.writer()
    says(log, "one")
    with pytest.raises(OSError, match="No space"):
        (full / "ballast").write_bytes(bytes(1_000_000))
    while log.write("stream", name="stdout", text="fill the page") and log._seq < 10_000:
        pass
    seq = log._seq
    log.close()
    assert records(pod.events(after=seq))[0]["reason"] == "Lost"
    assert pod.state["exit_seq"] == seq + 1
    (full / "ballast").unlink()
    wait_until(lambda: b'"Lost"' in pod.log.read_bytes(), "the exit record on disk")
    assert pod.events() == pod.log.read_bytes()
    assert pod.acknowledge(seq + 1) == 204
    code, out, err = pod.end(agent)
    assert (code, out) == (0, "")
    assert err.count("\n") == 1
    assert err.startswith("qwex agent: the exit record is kept in memory")


def test_a_value_is_put_where_its_reader_wants_it(pod):
    agent = pod.agent()
    (pod.folder / "values").mkdir()
    (pod.folder / "values" / "large").write_bytes(b"m" * 3_000_000)
    log = pod.writer()
    ends(log)
    with store(503) as server:
        status, _ = pod.get(f"/values/large?to={quote(server.url, safe='')}", "POST")
    assert status == 204
    assert server.taken == [b"m" * 3_000_000]
    assert pod.get("/values/other?to=x", "POST")[0] == 404
    pod.acknowledge(1)
    assert pod.end(agent) == (0, "", "")


def test_a_value_that_the_store_does_not_take_stays_where_it_was(pod):
    agent = pod.agent()
    (pod.folder / "values").mkdir()
    (pod.folder / "values" / "large").write_bytes(b"m")
    with store(403) as server:
        status, said = pod.get(f"/values/large?to={quote(server.url, safe='')}", "POST")
    assert (status, said) == (502, b"the artifact store did not take it: HTTP Error 403: Forbidden\n")
    assert pod.get("/values/large?to=http%3A//127.0.0.1%3A9/", "POST")[0] == 502
    assert pod.get("/values/large", "GET") == (200, b"m")
    ends(pod.writer())
    pod.acknowledge(1)
    assert pod.end(agent)[0] == 0
