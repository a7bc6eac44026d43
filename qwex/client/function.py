"""Functions as jobs: ``@qwex.remote`` and ``qwex.map``."""

from __future__ import annotations

import functools
import secrets
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from typing_extensions import Unpack

    from qwex.capture.values import Packed
    from qwex.client.keywords import Keywords
    from qwex.client.sync import Job, Jobs
    from qwex.options import SubmitOptions
    from qwex.spec import JobSpec, Value

__all__ = ["RemoteFunction", "map", "remote", "submit_function"]

P = ParamSpec("P")
R = TypeVar("R")
#: Bytes of one request that may be the same function again and again.
_REPEATED = 1_000_000


class RemoteFunction(Generic[P, R]):
    """A function that can be submitted as a job. Called plainly it runs here."""

    def __init__(self, function: Callable[P, R], keywords: Mapping[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.keywords = dict(keywords)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it here."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.keywords.items())
        return f"<RemoteFunction {self.function.__qualname__}({given})>"

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Submit one call."""
        return submit_function(self.function, args, kwargs, self._options())

    def map(self, *iterables: Iterable[Any]) -> Jobs:
        """Submit one call for each item (for each tuple of items, like ``map``), all of them or none."""
        return _submit_calls(self.function, zip(*iterables, strict=False), self._options())

    def options(self, **keywords: Unpack[Keywords]) -> RemoteFunction[P, R]:
        """The same function with other options on top."""
        return RemoteFunction(self.function, {**self.keywords, **keywords})

    def _options(self) -> SubmitOptions:
        from qwex.client.sdk import options

        return options(**self.keywords)


@overload
def remote(function: Callable[P, R], /) -> RemoteFunction[P, R]: ...
@overload
def remote(**keywords: Unpack[Keywords]) -> Callable[[Callable[P, R]], RemoteFunction[P, R]]: ...
def remote(function: Any = None, /, **keywords: Any) -> Any:
    """Make a function submittable: ``@qwex.remote`` or ``@qwex.remote(gpu=1)``; keywords as for ``qwex.submit``."""
    if function is not None:
        return RemoteFunction(function, keywords)
    return lambda function: RemoteFunction(function, keywords)


def map(function: Callable[..., Any], *iterables: Iterable[Any], **keywords: Unpack[Keywords]) -> Jobs:
    """Submit one call of ``function`` for each item, all of them or none; ``.results()`` waits for all."""
    if isinstance(function, RemoteFunction):
        return function.options(**keywords).map(*iterables)
    return RemoteFunction(function, keywords).map(*iterables)


def submit_function(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], given: SubmitOptions
) -> Job:
    """Submit one call.

    Raises:
        CaptureError: a value that the function needs cannot be sent; names it.
    """
    prepared = _Prepared(function, given)
    return prepared.client.submit(prepared.call(args, kwargs))


def _submit_calls(function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], given: SubmitOptions) -> Jobs:
    calls = list(calls)
    # The function is in every spec of the one request: where that adds up, it is sent once, as a blob.
    inline = _REPEATED // max(len(calls), 1)
    prepared = _Prepared(function, given, group=f"map-{secrets.token_hex(6)}", inline=inline)
    return prepared.client.submit_many([prepared.call(args, {}) for args in calls])


class _Prepared:
    """A function that was pickled, and where it is big uploaded, once for all its calls."""

    def __init__(
        self,
        function: Callable[..., Any],
        given: SubmitOptions,
        group: str | None = None,
        inline: int = _REPEATED,
    ) -> None:
        from qwex.capture.functions import describe
        from qwex.capture.values import pack
        from qwex.client.sdk import client
        from qwex.spec import INLINE_LIMIT

        function = function.function if isinstance(function, RemoteFunction) else function
        self.client = client()
        self.source = describe(function)
        self._given = given
        self._group = group
        self._inline = min(inline, INLINE_LIMIT)
        packed = pack(self.source.name, function, inline=self._inline)
        self._function = self._sent(packed)
        self._files = packed.files
        self._sources: dict[frozenset[str], dict[str, Value]] = {}

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> JobSpec:
        """The job that is one call."""
        from qwex.capture.functions import pack_call

        call = pack_call(self.source.name, args, kwargs)
        inputs = {"__function__": self._function, "__call__": self._sent(call), **self._texts(call.files)}
        return self._given.spec(self.source, inputs=inputs, group=self._group)

    def _texts(self, files: frozenset[str]) -> dict[str, Value]:
        """The texts of the function and of what this call brings, made once for all calls that bring the same."""
        from qwex.capture.sources import pack_sources

        if files not in self._sources:
            packed = pack_sources(self._files | files, inline=self._inline)
            self._sources[files] = {name: self._sent(each) for name, each in packed.items()}
        return self._sources[files]

    def _sent(self, packed: Packed) -> Value:
        if packed.blob is not None:
            self.client.put_blob(packed.blob)
        return packed.value
