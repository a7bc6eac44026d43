"""What obstore raises, as an error that says what happened, why and what to do.

obstore's classes tell little apart: a wrong key may be a FileNotFoundError. The server's own words are in the message,
so it is read for the status and the ``<Code>`` of the answer.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qwex.errors import ArtifactsUnavailable, ConfigError, NotFound, QwexError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Where", "code_of", "status_of", "translated"]

_KEY = "the access key is not known there"
#: What a server's code means: the answer, and what to do about it. All of it is somebody's to mend.
_MENDED = {
    "NoSuchBucket": ("there is no bucket {bucket!r}", "create it, or name another in 'artifacts'"),
    "ContainerNotFound": ("there is no container {bucket!r}", "create it, or name another in 'artifacts'"),
    "AuthenticationFailed": ("the account's key is not the right one", "check [az]"),
    "AuthorizationFailure": ("this account has no right to do that", "ask for the right to read and write blobs there"),
    "InvalidAccessKeyId": (_KEY, "check {key}"),
    "XAdminUserNotFound": (_KEY, "check {key}"),
    "InvalidClientTokenId": (_KEY, "check {key}"),
    "SignatureDoesNotMatch": ("the secret key is not the one of that access key", "check {secret}"),
    "InvalidToken": ("the session token is not valid", "check {token}"),
    "ExpiredToken": ("the session token has expired", "get a new one"),
    "RequestTimeTooSkewed": ("this machine's clock and the server's differ too much", "set the clock"),
    "RequestExpired": ("this machine's clock and the server's differ too much", "set the clock"),
    "AccessDenied": ("these keys have no right to do that", "ask for the right to list, read, write and delete there"),
    "PermanentRedirect": ("the bucket is in another region", "set 'region'"),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", "set 'region'"),
    "IllegalLocationConstraintException": ("the bucket is in another region", "set 'region'"),
}
_FULL = ("InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "NoSpaceLeftOnDevice")


@dataclass(frozen=True)
class Where:
    """What the sentences are about."""

    url: str
    bucket: str
    #: Where the server is, if it was said.
    endpoint: str
    #: The section of the configuration.
    section: str
    timeout: float
    patience: float

    def name(self, text: str) -> str:
        """The sentence's blanks filled in."""
        section = f"[{self.section}]"
        return text.format(
            bucket=self.bucket,
            key=f"{section} access_key_id",
            secret=f"{section} secret_access_key",
            token=f"{section} session_token",
        )


def status_of(error: BaseException) -> int:
    """The status that the server answered with; 0 where there was no answer."""
    said = str(error)
    found = re.search(r"status code: (\d{3})|status: (\d{3})", said)
    if "InvalidRangeRequest" in said:  # obstore saw for itself that the object is shorter
        return 416
    return int(found[1] or found[2]) if found else 0


def code_of(error: BaseException) -> str:
    """The server's own code, such as ``NoSuchBucket``; HEAD requests bring none."""
    found = re.search(r"<Code>(\w+)</Code>", str(error))
    return found[1] if found else ""


@contextmanager
def translated(where: Where, key: str = "", missing: type[QwexError] = NotFound) -> Iterator[None]:
    """Whatever obstore raises inside, as one of qwex's errors; what is qwex's own or the caller's passes.

    ``missing`` is for what is not there: of what is written in parts that is no word on the object.
    """
    try:
        yield
    except QwexError:
        raise
    except Exception as error:
        if not _is_obstores(error):
            raise
        raise _as_error(error, where, key, missing) from error


def _is_obstores(error: Exception) -> bool:
    from obstore.exceptions import BaseError

    return isinstance(error, BaseError) or (isinstance(error, FileNotFoundError) and "Debug source" in str(error))


def _as_error(error: Exception, where: Where, key: str, missing: type[QwexError]) -> QwexError:
    code, status = code_of(error), status_of(error)
    if "incorrectly configured region" in str(error):  # obstore's word for a redirect, whose code it drops
        code = "PermanentRedirect"
    if code in _MENDED:
        happened, remedy = _MENDED[code]
        return ConfigError(where.name(f"the artifact store {where.url}: {happened}; {remedy}"))
    if status == 404 or isinstance(error, FileNotFoundError):
        return missing(f"the artifact store {where.url} has no {key}")
    if status in (401, 403):
        return ConfigError(
            f"the artifact store {where.url} refuses these keys ({status}); check [{where.section}] and their rights"
        )
    if status:
        return _answered(status, code, where)
    return _unanswered(str(error), where)


def _answered(status: int, code: str, where: Where) -> QwexError:
    said = f"{status} {code}".strip()
    if status == 507 or code in _FULL:
        return ArtifactsUnavailable(f"the artifact store {where.url} is full ({said}); make room there")
    if status == 501:
        return ConfigError(
            f"the artifact store {where.url} does not know what was asked of it ({said}); "
            f"if it is a server without If-None-Match, set [{where.section}] conditional_put = false"
        )
    if status >= 500 or status == 429:
        return ArtifactsUnavailable(
            f"the artifact store {where.url} fails ({said}), also when asked again for {where.patience:g} s; "
            "its own log says why"
        )
    return ArtifactsUnavailable(f"the artifact store {where.url} does not take the request ({said})")


def _unanswered(said: str, where: Where) -> QwexError:
    if re.search(r"InvalidCertificate|UnknownIssuer|invalid peer certificate", said):
        return ConfigError(
            f"the artifact store {where.url}: the certificate of {where.endpoint or 'the server'} is not trusted; "
            f"name the one to trust in [{where.section}] ca_file"
        )
    if re.search(r"169\.254\.|/latest/(api/token|meta-data)|computeMetadata|[Cc]redential", said):
        return ConfigError(
            f"no keys for the artifact store {where.url}: none in [{where.section}] or the environment, "
            "and this machine has no role of its own"
        )
    if re.search(r"kind: Timeout|timed out", said):
        return ArtifactsUnavailable(
            f"the artifact store {where.url} did not answer in {where.timeout:g} s; "
            f"on a slow line raise [{where.section}] timeout"
        )
    place = f" at {where.endpoint}" if where.endpoint else ""
    return ArtifactsUnavailable(
        f"the artifact store {where.url} cannot be reached{place}; is it up, is that its address?"
    )
