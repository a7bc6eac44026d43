"""The sections ``[s3]``, ``[gs]``, ``[az]`` and ``[fsspec]`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from qwex.quantities import parse_duration

__all__ = ["AzureSettings", "CloudSettings", "FsspecSettings", "GoogleSettings", "S3Settings"]

Seconds = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]


class CloudSettings(BaseModel):
    """What every object store has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_http: bool = Field(False, description="whether an endpoint may be http://, which shows all that is sent")
    ca_file: str = Field("", description="file with the certificate (PEM) of whom to trust beside the well-known")
    timeout: Seconds = Field(300.0, description="how long one request may take, of 8 MiB at most: seconds, or 90s, 5m")
    patience: Seconds = Field(30.0, description="how long a request that fails is tried again, written as timeout is")


class S3Settings(CloudSettings):
    """Amazon S3, and every server that speaks like it."""

    endpoint: str = Field(
        "", pattern=r"^(https?://[^/]+.*)?$", description="https://…; default $AWS_ENDPOINT_URL, else Amazon's"
    )
    region: str = Field("", description="default $AWS_REGION, else us-east-1")
    access_key_id: str = Field("", description="default $AWS_ACCESS_KEY_ID, a pod's or a machine's own role")
    secret_access_key: str = Field("", description="default $AWS_SECRET_ACCESS_KEY")
    session_token: str = Field("", description="of keys that expire; default $AWS_SESSION_TOKEN")
    conditional_put: bool = Field(
        True, description="whether the server knows If-None-Match; false means look first, then write"
    )
    path_style: bool = Field(True, description="endpoint/bucket/key; false means bucket.endpoint/key")


class GoogleSettings(CloudSettings):
    """Google Cloud Storage."""

    service_account: str = Field(
        "", description="file with its key; default $GOOGLE_APPLICATION_CREDENTIALS, or the machine's own account"
    )
    endpoint: str = Field("", description="of another server that speaks like it; default Google's")


class AzureSettings(CloudSettings):
    """Azure Blob Storage."""

    account_name: str = Field("", description="default $AZURE_STORAGE_ACCOUNT_NAME")
    account_key: str = Field("", description="default $AZURE_STORAGE_ACCOUNT_KEY, or the machine's own identity")
    sas_token: str = Field("", description="default $AZURE_STORAGE_SAS_TOKEN")
    endpoint: str = Field("", description="of another server that speaks like it; default Azure's")


class FsspecSettings(BaseModel):
    """Whatever fsspec knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    options: dict[str, Any] = Field({}, description="what fsspec.filesystem is given for the URL's scheme")
