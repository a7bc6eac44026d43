"""What a dev machine is asked to be: frozen data, validated once, the same in every front end and provider. No I/O."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from qwex.quantities import parse_cpu, parse_duration, parse_gpu, parse_memory
from qwex.spec import Label, Plain, Word

__all__ = ["MACHINE_NAME", "MachineResources", "MachineSpec", "PublicKey", "machine_id"]

#: It is part of names of objects and of a host for ssh, so it is a DNS label with room for more.
MACHINE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?")
#: A type and base64, as in authorized_keys; no options before them, which could run commands.
_PUBLIC_KEY = re.compile(
    r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]+={0,3}( .*)?"
)
#: bcrypt, SHA-256 and SHA-512: what the C libraries of images know.
_PASSWORD_HASH = re.compile(r"\$(2[aby]|5|6)\$[./A-Za-z0-9=$]{20,150}")
#: What a shell can export: it is said to every session.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
#: Variables of qwex's own, by which its scripts in the machine go.
_OURS = "QWEX_"
#: What a shell keeps for itself: one that is given it ends at once (bash, dash, ksh and zsh, as sh and as the shell of
#: who logs in), or runs other things than it is told. Nobody could log in.
_SHELLS_OWN = re.compile(
    "BASHOPTS|BASH_VERSINFO|EUID|KSH_VERSION|LINENO|OPTIND|PPID|SHELLOPTS|SSH_ORIGINAL_COMMAND|UID"
)
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def _name(text: str) -> str:
    if not MACHINE_NAME.fullmatch(text):
        raise ValueError(f"{text!r}: small letters, digits and '-', a letter first, at most 30, such as train")
    return text


def _line(given: Any) -> Any:
    """A key as its file has it ends with the end of a line."""
    if isinstance(given, str) and "PRIVATE KEY" in given:
        raise ValueError("that is a private key; give the public one, which ends in .pub")
    return given.strip() if isinstance(given, str) else given


def _public_key(text: str) -> str:
    if not _PUBLIC_KEY.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no public key; one looks like: ssh-ed25519 AAAA… ada@laptop")
    return text


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"{name!r}: letters, digits and '_', no digit first")
    if name.startswith(_OURS):
        raise ValueError(f"{name!r}: names that begin with {_OURS} are qwex's own")
    if _SHELLS_OWN.fullmatch(name):
        raise ValueError(f"{name!r} is the shell's own, and nobody could log in; take another name")
    return name


def _one_line(value: str) -> str:
    if "\n" in value or "\r" in value:
        raise ValueError("sessions of ssh take no variable of more than one line; put it into a file in the home")
    return value


def _as_written(parse: Any) -> Any:
    def check(value: Any) -> str:
        parse(value)
        return str(value).strip()

    return BeforeValidator(check)


def _gpus(text: Any) -> None:
    for choice in text.split(",") if isinstance(text, str) else (text,):
        parse_gpu(choice)


def _password_hash(text: str) -> str:
    if text and not _PASSWORD_HASH.fullmatch(text):
        raise ValueError("a hash as crypt(3) writes it is wanted, such as $2b$…; the password itself goes nowhere")
    return text


PublicKey = Annotated[Plain, BeforeValidator(_line), AfterValidator(_public_key)]
PasswordHash = Annotated[Plain, AfterValidator(_password_hash)]
Variable = Annotated[str, AfterValidator(_variable)]
Line = Annotated[Word, AfterValidator(_one_line)]
Duration = Annotated[float, BeforeValidator(parse_duration)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=100_000)


class MachineResources(_Frozen):
    """Amounts as Kubernetes writes them; ``gpu`` as for jobs, or several with commas: any of them."""

    cpu: Annotated[str, _as_written(parse_cpu)] = "1"
    memory: Annotated[str, _as_written(parse_memory)] | None = None
    gpu: Annotated[str, _as_written(_gpus)] | None = None

    @property
    def gpu_choices(self) -> tuple[str, ...]:
        """One or more GPU requests as they were written, of which any will do; none without a GPU."""
        return tuple(choice.strip() for choice in self.gpu.split(",")) if self.gpu else ()


class MachineSpec(_Frozen):
    """One machine as its user described it."""

    name: Annotated[str, AfterValidator(_name)]
    resources: MachineResources = MachineResources()
    image: Plain = Field("", max_length=1024, description="any with sh; empty means the provider's own")
    queue: Label | None = None
    priority: int = Field(0, ge=-1_000_000, le=1_000_000, description="higher goes first")
    home: Annotated[str, _as_written(parse_memory)] = Field("10Gi", description="size of the home, which stays")
    storage_class: Plain = Field("", max_length=253, description="of the home; empty means the place's default")
    env: dict[Variable, Line] = Field({}, max_length=1000, description="variables that sessions see")
    keys: tuple[PublicKey, ...] = Field((), max_length=100, description="public keys that it lets in")
    password: PasswordHash = Field("", description="hash of a password that it lets in, too, as crypt(3) writes it")
    idle: Duration | None = Field(None, description="seconds without activity after which it is stopped")
    max_age: Duration | None = Field(None, description="seconds that it may run in one go")
    pre_stop: Word = Field("", max_length=10_000, description="shell command that is run in the home before it stops")
    grace: Duration = Field(30.0, description="seconds that the pre-stop command has")
    provider: Label | None = None
    provider_options: dict[str, Any] = {}

    @classmethod
    def kept(cls, text: str) -> MachineSpec:
        """The inverse of ``model_dump_json``; variables that were accepted before they were refused are left out."""
        raw = json.loads(text)
        raw["env"] = {name: value for name, value in raw.get("env", {}).items() if not _SHELLS_OWN.fullmatch(name)}
        return cls.model_validate(raw)

    @property
    def fixed(self) -> str:
        """A digest of all that does not change while it runs. Another version of qwex finds the same."""
        written = self.model_dump_json(exclude={"keys", "idle", "max_age"}, exclude_defaults=True)
        return hashlib.sha256(written.encode()).hexdigest()[:16]


def machine_id(name: str, user: str) -> str:
    """``<name>-<six letters of the user>``: the same again after a delete, so that the home is found again."""
    number = int.from_bytes(hashlib.sha256(user.encode()).digest()[:8], "big")
    letters = []
    for _ in range(6):
        number, rest = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[rest])
    return f"{name}-{''.join(letters)}"
