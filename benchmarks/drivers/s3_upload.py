"""Uploads a folder with one client, and prints how long it took, the peak of its memory and its processor time.

python s3_upload.py qwex|s3fs|boto3 ENDPOINT BUCKET PREFIX FOLDER. The client is made before the clock starts, no
connection is. Keys are in the environment.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path


def qwex(endpoint, bucket, prefix, folder):
    from qwex_s3.places import S3Store

    from qwex.artifacts import StoreContext

    settings = {"endpoint": endpoint, "allow_http": True}
    store = S3Store(StoreContext(f"s3://{bucket}/{prefix}", folder, settings))
    files = {path.name: path for path in folder.iterdir()}

    async def upload():
        written = await store.put_files(files)
        assert written == set(files)

    return lambda: asyncio.run(upload())


def s3fs(endpoint, bucket, prefix, folder):
    import s3fs

    there = s3fs.S3FileSystem(endpoint_url=endpoint)
    return lambda: there.put(str(folder) + "/", f"{bucket}/{prefix}/", recursive=True)


def boto3(endpoint, bucket, prefix, folder):
    import boto3

    client = boto3.client("s3", endpoint_url=endpoint)

    def upload():
        for path in folder.iterdir():
            client.upload_file(str(path), bucket, f"{prefix}/{path.name}")

    return upload


def main(system, endpoint, bucket, prefix, folder):
    upload = {"qwex": qwex, "s3fs": s3fs, "boto3": boto3}[system](endpoint, bucket, prefix, Path(folder))
    start = time.perf_counter()
    upload()
    seconds = time.perf_counter() - start
    time.sleep(0.2)  # obstore's threads let go of the interpreter
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"seconds": seconds, "rss": used.ru_maxrss >> 10, "cpu": used.ru_utime + used.ru_stime}))


if __name__ == "__main__":
    main(*sys.argv[1:])
