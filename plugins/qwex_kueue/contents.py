"""What a job's pod is given to run: what fits travels in its Secret, the rest it fetches. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from qwex import jobfolder
from qwex.artifacts import is_remote
from qwex.errors import InvalidSpec
from qwex.quantities import format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.backend import Plan

__all__ = ["DESCRIPTION", "JOB", "LATER", "WORK", "apart", "check_size", "description_of", "startup"]

#: Where the Secret lies in a pod, and the folder that a job runs in.
DESCRIPTION, WORK = "/qwex/description", "/qwex/work"
#: Keys of the Secret: what to run, and the variables that trackers give.
JOB, LATER = "job.json", "later.json"
#: Bytes of the Secret that are left to signed addresses, which are of another length when they are renewed.
_ADDRESSES = 32 << 10


def apart(plan: Plan, limit: int) -> tuple[dict[str, str], dict[str, str]]:
    """The blobs that travel in the Secret, by its keys, and those that the pod fetches itself, by their digests.

    Only of addresses that need no keys, and only as many as do not fit: what comes with the pod cannot be away when it
    starts. The same ones each time that a job is planned, as those in its Secret are not sent again.
    """
    fetchable = {digest for digest, url in plan.blobs.items() if is_remote(url)}
    if not fetchable:
        return {_blob_key(digest): url for digest, url in plan.blobs.items()}, {}
    sizes = {each.digest: each.size for each in plan.spec.inputs.values() if each.digest in plan.blobs}
    bare = replace(plan, parcel=(), later=None, startup=())
    left = limit - _ADDRESSES - len(description_of(bare, {}, {})) - sum(sizes.values())
    fetched: dict[str, str] = {}
    for digest in sorted(sizes, key=lambda digest: -sizes[digest]):
        if left < 0 and digest in fetchable:
            fetched[digest] = plan.blobs[digest]
            left += sizes[digest]
    return {_blob_key(digest): url for digest, url in plan.blobs.items() if digest not in fetched}, fetched


def check_size(plan: Plan, description: int, blobs: Mapping[str, str], limit: int) -> None:
    """The description, in which code and small inputs are escaped or base64, and the blobs beside it fit together."""
    spec = plan.spec
    sizes = {each.digest: each.size for each in spec.inputs.values() if _blob_key(each.digest) in blobs}
    total = description + sum(sizes.values())
    if total <= limit:
        return
    inputs = {
        f"inputs.{name}": max(each.size, len(each.data))
        for name, each in spec.inputs.items()
        if each.data or each.digest in sizes
    }
    written = {"source": spec.source.text, "args": spec.args, "env": dict(spec.env), "parameters": spec.parameters}
    parts = {**{field: len(json.dumps(value)) for field, value in written.items()}, **inputs}
    largest = max(parts, key=lambda field: parts[field])
    raise InvalidSpec.of(
        largest,
        f"{format_bytes(parts[largest])} as it travels, of {format_bytes(total)} in all; the job's Secret holds "
        f"{format_bytes(limit)} ([kueue] inline_limit). With a bucket for 'artifacts' (docs/artifacts.md) larger ones "
        "reach a pod, too; else have the job read what is large from the image or a volume",
    )


def description_of(plan: Plan, blobs: Mapping[str, str], fetched: Mapping[str, str]) -> bytes:
    """``job.json``: inputs that lie in the Secret by their file, fetched ones by their address."""
    described = jobfolder.describe(plan)
    described["environment"] = None
    described["cwd"] = plan.spec.cwd or WORK
    inside = {f"sha256:{key.removeprefix('blob-')}": f"file://{DESCRIPTION}/{key}" for key in blobs}
    described["blobs"] = {**inside, **fetched}
    if plan.later:
        described["later"] = f"{DESCRIPTION}/{LATER}"
        described["startup"] = [f"{DESCRIPTION}/{key}" for key in startup(plan)]
    return json.dumps(described, separators=(",", ":")).encode()


def startup(plan: Plan) -> dict[str, str]:
    """What every Python process of the job runs first: files by the Secret's key."""
    return {f"startup-{number}.py": str(path) for number, path in enumerate(plan.startup)}


def _blob_key(digest: str) -> str:
    return f"blob-{digest.removeprefix('sha256:')}"
