"""What only a pod's events say of why it does not start."""

from __future__ import annotations

import pytest
from objects_as_the_api_has_them import RUNNING, condition, pod
from qwex_kueue import podevents
from qwex_kueue.errors import ApiError

from qwex.errors import BackendUnavailable, NotAuthorized

pytestmark = pytest.mark.anyio
SET_UP = "its pod cannot be set up on the node"
SECRET = 'MountVolume.SetUp failed for volume "data" : secret "token" not found'


def event(reason, second, message="", type="Warning", **times):
    metadata = {"name": reason, "creationTimestamp": "2026-11-26T00:00:00Z"}
    times = times or {"lastTimestamp": f"2026-11-26T00:00:{second:02d}Z"}
    return {"metadata": metadata, "reason": reason, "type": type, "message": message, **times}


class Server:
    core = "/core"

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    async def get(self, path, **query):
        self.asked.append((path, query))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_the_newest_trouble_of_the_pod_is_told():
    server = Server({"items": [event("FailedMount", 9, SECRET), event("FailedMount", 1, "older")]})
    said = await podevents.trouble(server, pod())
    assert said == 'the volume data of its pod cannot be mounted: secret "token" not found'
    assert server.asked == [("/core/events", {"fieldSelector": "involvedObject.uid=pod-1"})]


@pytest.mark.parametrize(
    "answer", [{"items": None}, NotAuthorized("no"), ApiError(400, "", "no"), BackendUnavailable("away")]
)
async def test_where_there_are_no_events_or_they_cannot_be_read_nothing_is_told(answer):
    assert await podevents.trouble(Server(answer), pod()) == ""


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([event("FailedCreatePodSandBox", 1, "no network")], f"{SET_UP}: no network"),
        ([event("FailedAttachVolume", 1, "in use")], "a volume of its pod cannot be attached to the node: in use"),
        ([event("FailedScheduling", 1, "0/2 nodes"), event("DNSConfigForming", 2, "too many")], ""),
        (
            [event("Scheduled", 1, "", "Normal"), event("FailedMount", 1, "x")],
            "a volume of its pod cannot be mounted: x",
        ),
        ([event("FailedMount", 1, "x"), event("Pulling", 2, "", "Normal")], ""),
        (
            [event("FailedMount", 1, ""), event("DNSConfigForming", 2)],
            "a volume of its pod cannot be mounted: FailedMount",
        ),
    ],
)
def test_only_what_keeps_it_still_is_told(events, said):
    assert podevents.said_by(events) == said


def test_each_writers_time_of_an_event_is_known():
    newest = event("FailedMount", 0, "new", series={"lastObservedTime": "2026-11-26T00:09:00.123456Z"})
    events = [newest, event("FailedMount", 0, "old", eventTime="2026-11-26T00:08:00.000000Z", lastTimestamp=None)]
    assert podevents.said_by(events).endswith("new")


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (SECRET, "token"),
        ('configmap "settings" not found', "settings"),
        ('persistentvolumeclaims "data" not found', "data"),
        ("driver name ebs.csi.aws.com not found in the list of registered CSI drivers", ""),
        ("", ""),
    ],
)
def test_what_is_not_there_is_told_from_what_may_come(said, name):
    assert podevents.missing(said) == name


@pytest.mark.parametrize(
    ("given", "late"),
    [
        ({}, True),
        ({"state": {"waiting": {"reason": "PodInitializing"}}}, True),
        ({"state": {"waiting": {"reason": "ErrImagePull"}}}, False),
        ({"state": RUNNING}, False),
        ({"node": ""}, False),
    ],
)
def test_a_pod_is_late_when_its_containers_are_not_made_in_the_usual_time(given, late, monkeypatch):
    scheduled = pod(condition("PodScheduled"), **given)
    began = scheduled.conditions["PodScheduled"].since
    monkeypatch.setattr(podevents.time, "time", lambda: began + 6)
    assert podevents.is_late(scheduled) is late
    monkeypatch.setattr(podevents.time, "time", lambda: began + 4)
    assert not podevents.is_late(scheduled)
