from __future__ import annotations

import asyncio

import pytest
from qwex_kueue.clusterqueues import ClusterQueue
from qwex_kueue.errors import Missing
from qwex_kueue.journal import Journal
from qwex_kueue.manifests import render
from qwex_kueue.objects import LocalQueue
from qwex_kueue.preflight import MACHINE_RIGHTS, RIGHTS, container, impossible, without_queues, without_rights
from qwex_kueue.settings import KueueSettings

from qwex.backend import Plan
from qwex.errors import NotAuthorized
from qwex.spec import JobSpec, Runtime, Source, Value

QUEUES = {"default": LocalQueue("default", "cluster", "None")}


def request(image="registry.example/ml:7", python=None, code="3.11", queue="default", **fields):
    inputs = {"__function__": Value(data="AAAA", python=code), "x": Value(data="AAAA")}
    runtime = Runtime(image=image, python=python)
    spec = JobSpec(source=Source(kind="function", name="f"), inputs=inputs, runtime=runtime, **fields)
    return render(Plan("f-abc", spec, "ada", 1, None, {}), KueueSettings(), queue, "runner", "c0ffee")


def found(asked, seen=""):
    return impossible("team", asked, QUEUES, None, seen)


def test_a_queue_that_is_not_there_is_named_with_those_that_are():
    why = found(request(queue="defualt"))
    assert why.reason == "QueueMissing"
    assert why.summary.startswith("no queue 'defualt' in the namespace team. Did you mean 'default'?")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"cpu": "6"}, "6 cores, and 4 cores is the most"),
        ({"memory": "9Gi"}, "9.7 GB of memory, and 8.6 GB of memory is the most"),
        ({"memory": "8193Mi"}, "8,590,983,168 bytes of memory, and 8,589,934,592 is the most"),
        ({"gpu": "2"}, "2 GPUs, and it has no nvidia.com/gpu"),
        ({"cpu": "6", "gpu": "1"}, "6 cores, and 4 cores is the most; 1 GPU, and it has no nvidia.com/gpu"),
    ],
)
def test_what_is_more_than_the_queue_has_is_told_with_the_most_that_can_be_had(asked, said):
    cluster = ClusterQueue("team", {"cpu": 4.0, "memory": 2.0**33}, {}, {"cpu": 0.0, "memory": 0.0}, "None", "")
    why = impossible("team", request(resources=asked, code=""), QUEUES, cluster, "")
    assert why.reason == "ExceedsMaxQuota"
    expected = f"it asks for more than default can ever give: {said}. Ask for less, or in another queue"
    assert why.summary == expected


class Answering:
    """A server that says one thing."""

    namespace = "team"

    def __init__(self, answer):
        self.answer = answer

    async def get(self, path):
        assert path == "/api/v1/namespaces/team"
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "has no queues at all; ask"),
        (Missing(404, "NotFound", "not found"), "does not exist; see namespace in [kueue]"),
        (NotAuthorized("Kubernetes refuses"), "has no queues, or does not exist; see"),
    ],
)
def test_a_namespace_without_queues_is_told_from_one_that_is_not_there_where_that_may_be_known(answer, said):
    why = asyncio.run(without_queues(Answering(answer)))
    assert why.reason == "QueueMissing"
    assert why.summary.startswith(f"the namespace team {said}")


class Allowing:
    """A server that allows all but some verbs of resources."""

    namespace = "team"

    def __init__(self, *denied):
        self.denied = denied

    async def create(self, path, review):
        asked = review["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (asked["resource"], asked["subresource"])))
        return {"status": {"allowed": (asked["verb"], resource) not in self.denied}}


def test_rights_that_only_machines_need_are_missed_by_them_alone():
    server = Allowing(("patch", "statefulsets"), ("get", "pods/portforward"))
    assert asyncio.run(without_rights(server, RIGHTS)) is None
    why = asyncio.run(without_rights(server, MACHINE_RIGHTS))
    said = "you may not patch statefulsets (to start and stop them) and get pods/portforward (to log in) in the"
    assert why.summary.startswith(f"{said} namespace team")


@pytest.mark.parametrize("seen", ["3.13.1", "3.9.2"])
def test_code_of_another_python_than_the_image_was_seen_to_have(seen):
    why = found(request(), seen)
    assert why.reason == "WrongPython"
    assert why.summary.startswith(f"the image registry.example/ml:7 has Python {seen}, and there is code among")


@pytest.mark.parametrize("image", ["python:3.12-slim", "host:5000/ray:2.9-py312", "team/python3.12", "nb:python-3.12"])
def test_an_image_that_never_ran_is_taken_by_its_name(image):
    assert "has Python 3.12 by its name" in found(request(image)).summary
    assert found(request(image, code="3.12")) is None
    assert found(request(image), "3.11.4") is None
    assert found(request(image, python="/opt/conda/bin/python")) is None


@pytest.mark.parametrize("image", ["python:latest", "team/ml:3.12", "py:1", "host3.1/ml"])
def test_what_is_not_known_is_not_guessed(image):
    assert found(request(image)) is None


def test_without_code_any_python_will_do():
    assert found(request("python:3.12", code="")) is None


def test_what_an_image_has_is_remembered(tmp_path):
    journal, place = Journal(tmp_path / "kueue.db"), container(request())
    assert journal.python(*place) == ""
    journal.has_python(*place, "3.11.2")
    journal.has_python(*place, "3.12.0")
    journal.close()
    assert Journal(tmp_path / "kueue.db").python(*place) == "3.12.0"
