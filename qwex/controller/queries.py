"""What the parameters of a request ask for, as the use cases take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.controller.store import ORDERS, Filter
from qwex.controller.streams import Wanted
from qwex.controller.web import flag, moment, natural
from qwex.errors import InvalidSpec, nearest
from qwex.state import JobState

if TYPE_CHECKING:
    from starlette.requests import Request

    from qwex.controller.auth import Caller

__all__ = [
    "caller_of",
    "events_of",
    "filter_of",
    "kinds_of",
    "page_of",
    "run_id_of",
    "run_ids_of",
    "text_of",
    "user_of",
]

_PAGE = 50
_LONGEST_PAGE = 1000
_MOST_GLANCED = 200
#: What changes may be told of; the first to those that name none.
_KINDS = ("job", "machine")


def caller_of(request: Request) -> Caller:
    """Who asks."""
    caller: Caller = request.scope["qwex.caller"]
    return caller


def run_id_of(request: Request) -> str:
    """The job in the path."""
    run_id: str = request.path_params["id"]
    return run_id


def run_ids_of(request: Request) -> list[str]:
    """The jobs to glance at, each once."""
    run_ids = list(dict.fromkeys(request.query_params.getlist("id")))
    if len(run_ids) > _MOST_GLANCED:
        raise InvalidSpec.of("id", f"{len(run_ids):,} jobs; at most {_MOST_GLANCED} at once")
    return run_ids


def user_of(request: Request) -> str | None:
    """The user asked for; ``me`` is the caller."""
    user = request.query_params.get("user")
    return caller_of(request).user if user == "me" else user or None


def kinds_of(request: Request) -> frozenset[str]:
    """What a stream of changes tells of."""
    kinds = [kind for kind in request.query_params.get("kinds", _KINDS[0]).split(",") if kind]
    for kind in kinds:
        if kind not in _KINDS:
            raise InvalidSpec.of("kinds", f"{kind[:40]!r} is none.{nearest(kind, _KINDS)} There are: job, machine")
    return frozenset(kinds)


def filter_of(request: Request) -> Filter:
    """Which jobs."""
    query = request.query_params
    key, equals, value = query.get("tag", "").partition("=")
    return Filter(
        user=user_of(request),
        states=_states(request),
        queue=query.get("queue") or None,
        name=query.get("name") or None,
        match=query.get("match") or None,
        group=query.get("group") or None,
        backend=query.get("backend") or None,
        tag=(key, value if equals else None) if key else None,
        since=moment(query.get("since"), "since"),
    )


def page_of(request: Request) -> tuple[int, str | None, str]:
    """How many of them, after which, and in which order."""
    query = request.query_params
    limit = natural(query.get("limit"), "limit", _PAGE, _LONGEST_PAGE)
    order = query.get("order") or "created"
    if order not in ORDERS:
        raise InvalidSpec.of("order", f"no order {order!r}.{nearest(order, list(ORDERS))} Orders: {', '.join(ORDERS)}")
    return max(limit, 1), query.get("cursor") or None, order


def events_of(request: Request) -> Wanted:
    """Which records of a job's story."""
    query = request.query_params
    last = request.headers.get("last-event-id") or query.get("after")
    return Wanted(
        natural(last, "after", 0),
        flag(query.get("follow"), "follow", True),
        flag(query.get("why"), "why", False),
        frozenset(word.encode() for word in query.get("types", "").split(",") if word),
        tail=natural(query["tail"], "tail", 0) if query.get("tail") else None,
    )


def text_of(request: Request) -> Wanted:
    """Which records of a job's text."""
    query = request.query_params
    return Wanted(natural(query.get("offset"), "offset", 0), flag(query.get("follow"), "follow", False))


def _states(request: Request) -> tuple[str, ...]:
    given = [*request.query_params.getlist("state"), *request.query_params.getlist("status")]
    words = [word.strip().upper() for part in given for word in part.split(",") if word.strip()]
    known = [state.value for state in JobState]
    for word in words:
        if word not in known:
            raise InvalidSpec.of("state", f"no state {word!r}.{nearest(word, known)} States: {', '.join(known)}")
    return tuple(words)
