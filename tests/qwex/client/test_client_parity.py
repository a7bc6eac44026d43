"""The blocking classes have the methods of their asynchronous twins, with the same signatures."""

from __future__ import annotations

import inspect

import pytest

from qwex.client import AsyncClient, AsyncJob, AsyncJobs, Client, Job, Jobs

TWINS = [(AsyncClient, Client), (AsyncJob, Job), (AsyncJobs, Jobs)]
#: Implementation, plain attributes, and what only one side can have.
APART = {"session", "inner", "client", "record", "settings", "add_done_callback"}
#: A mapping to handles that read here, a list of what there is there.
OTHER = {(AsyncJob, "files")}
HANDLES = {"AsyncJob": "Job", "AsyncJobs": "Jobs", "AsyncIterator[AsyncJob]": "Iterator[Job]"}


def public(kind: type) -> dict[str, object]:
    return {name: member for name, member in inspect.getmembers(kind) if not name.startswith("_")}


@pytest.mark.parametrize(("asynchronous", "blocking"), TWINS)
def test_same_names(asynchronous, blocking):
    assert set(public(asynchronous)) - APART <= set(public(blocking))
    assert set(public(blocking)) - APART <= set(public(asynchronous))


@pytest.mark.parametrize(("asynchronous", "blocking"), TWINS)
def test_same_signatures_and_words(asynchronous, blocking):
    for name, twin in public(asynchronous).items():
        if not inspect.isfunction(twin) or name in APART or (asynchronous, name) in OTHER:
            continue
        face = getattr(blocking, name)
        signature = inspect.signature(twin)
        expected = HANDLES.get(signature.return_annotation, signature.return_annotation)
        assert inspect.signature(face).parameters == signature.parameters, name
        assert inspect.signature(face).return_annotation in (expected, signature.return_annotation), name
        assert face.__doc__ == twin.__doc__, name


@pytest.mark.parametrize(("asynchronous", "blocking"), TWINS)
def test_nothing_of_the_blocking_side_is_a_coroutine(asynchronous, blocking):
    for name, member in public(blocking).items():
        called = inspect.unwrap(member, stop=lambda f: True) if callable(member) else member
        assert not inspect.iscoroutinefunction(called), name
        assert not inspect.isasyncgenfunction(called), name
