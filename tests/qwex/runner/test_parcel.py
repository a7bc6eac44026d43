"""All that an attempt said and gave goes to an address whole, and is found there again."""

from __future__ import annotations

import pytest

from qwex.runner import leftovers, parcel, uploading
from qwex.runner.eventfile import EventFile
from qwex.runner.story import Story

from .stores import store


@pytest.fixture
def attempt(tmp_path):
    """A folder with records and values, and its story."""
    (tmp_path / "job.json").write_text('{"attempt": 2}')
    log = EventFile(str(tmp_path))
    for number in range(3000):
        log.write("stream", name="stdout", text=f"line {number} " + "x" * 400)
    log.close()
    (tmp_path / "values").mkdir()
    for name, data in VALUES.items():
        (tmp_path / "values" / name).write_bytes(data)
    (tmp_path / "values" / "half.tmp").write_bytes(b"never whole")
    (tmp_path / "values" / "link").symlink_to("/etc/hostname")
    story = Story(str(tmp_path))
    story.advance()
    return tmp_path, story


VALUES = {"empty": b"", "large": b"\x00\xff" * 1_500_000, "small": b"1"}


def unpacked(data):
    found = parcel.contents(data[: data.index(b"\n") + 1])
    parts = {name: data[start : start + size] for name, (start, size) in found.values.items()}
    assert found.pod in ("uid-1", "")
    return found.attempt, data[found.records[0] : sum(found.records)], parts


def test_it_is_there_as_it_was(attempt):
    folder, story = attempt
    with store() as server:
        parcel.send([server.url], str(folder), story, "uid-1")
    assert unpacked(server.taken[0]) == (2, (folder / "events.jsonl").read_bytes(), VALUES)


def test_a_record_that_the_disk_had_no_room_for_comes_along(attempt):
    folder, story = attempt
    story.end("Lost", "killed", 137, terminated=False)
    with store() as server:
        parcel.send([server.url], str(folder), story, "uid-1")
    assert unpacked(server.taken[0])[1] == (folder / "events.jsonl").read_bytes() + story.tail


def test_the_largest_values_stay_behind_where_not_all_fit(attempt, monkeypatch):
    folder, story = attempt
    monkeypatch.setattr(uploading, "MOST", story.size + (1 << 20) + 10)
    with store() as server:
        parcel.send([server.url], str(folder), story, "uid-1")
    assert unpacked(server.taken[0])[2] == {"empty": b"", "small": b"1"}


def test_each_pod_takes_the_first_place_that_is_free(attempt):
    folder, story = attempt
    with store() as server:
        for pod in ("a", "b", "c"):
            parcel.send([f"{server.url}&place={number}" for number in (1, 2, 3)], str(folder), story, pod)
        assert [parcel.contents(data[: data.index(b"\n") + 1]).pod for data in server.taken] == ["a", "b", "c"]
        parcel.send([f"{server.url}&place={number}" for number in (1, 2, 3)], str(folder), story, "last")
    assert len(server.taken) == 4, "where none is free the last one is written over"


def test_a_store_that_fails_is_tried_again(attempt, monkeypatch):
    folder, story = attempt
    monkeypatch.setattr(uploading, "_AGAIN", (0.0, 0.0))
    with store(500, 503) as server:
        parcel.send([server.url], str(folder), story, "uid-1")
    assert len(server.taken) == 1


def test_one_that_refuses_is_not_and_the_address_stays_secret(attempt):
    folder, story = attempt
    with store(403, 200) as server, pytest.raises(OSError, match="403") as raised:
        parcel.send([server.url], str(folder), story, "uid-1")
    assert server.answers == [200]
    assert "secret" not in str(raised.value)


def test_an_agent_leaves_all_there_and_nothing_in_its_output(pod, monkeypatch):
    with store() as server:
        pod.describe("script", "", attempt=2, parcel=[server.url])
        agent = pod.agent(linger=0)
        (pod.folder / "values").mkdir()
        (pod.folder / "values" / "large").write_bytes(bytes(5_000_000))
        log = pod.writer()
        log.write("stream", name="stdout", text="one")
        log.write("exit", code=0, signal=None, reason="", message="")
        log.close()
        assert pod.end(agent) == (0, "", "")
    assert unpacked(server.taken[0]) == (2, pod.log.read_bytes(), {"large": bytes(5_000_000)})


def test_an_agent_answers_while_it_leaves_what_it_has(pod):
    """Whoever comes after all has it from the agent, which then goes."""
    with store(hold=True) as server:
        pod.describe("script", "", parcel=[server.url])
        agent = pod.agent(linger=0)
        log = pod.writer()
        log.write("exit", code=0, signal=None, reason="", message="")
        log.close()
        assert server.asked.wait(30)
        assert pod.events() == pod.log.read_bytes()
        assert pod.acknowledge(1) == 204
        assert pod.end(agent) == (0, "", "")
        server.go.set()


def test_an_agent_whose_store_refuses_leaves_what_it_can_in_its_output(pod):
    with store(403) as server:
        pod.describe("script", "", parcel=[server.url])
        agent = pod.agent(linger=0)
        log = pod.writer()
        log.write("exit", code=0, signal=None, reason="", message="")
        log.close()
        code, out, err = pod.end(agent)
    assert code == 0
    assert leftovers.parse(out).records == pod.log.read_bytes()
    assert "artifact store" in err
    assert "secret" not in err
