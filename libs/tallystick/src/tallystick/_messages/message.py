"""Messages: frozen structs whose name, version and key are keywords of their class."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Generic, Literal, TypeVar, dataclass_transform

import msgspec

from tallystick.errors import DeclarationError, InvalidMessage

SHARDS = 64
TYPE_PREFIX = "dev.tallystick."
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\.[a-z][a-z0-9-]{0,62}")
_TYPE = re.compile(re.escape(TYPE_PREFIX) + _NAME.pattern + r"\.v[1-9][0-9]{0,8}")
_SUBJECT_PREFIX = {"event": "evt", "job": "job", "request": "req", "effect": "eff"}
_STREAM_SUFFIX = {"event": "", "job": "_JOBS"}

Kind = Literal["event", "job", "request", "effect"]


@dataclass(frozen=True)
class MessageType:
    """The declaration of a message class, such as `orders.placed`, version 1, key `order_id`."""

    kind: Kind
    name: str
    version: int
    key: str | None
    sequence: str | None

    @property
    def domain(self) -> str:
        return self.name.partition(".")[0]

    @property
    def action(self) -> str:
        return self.name.partition(".")[2]

    @cached_property
    def ce_type(self) -> str:
        """The CloudEvents type, `dev.tallystick.orders.placed.v1`."""
        return f"{TYPE_PREFIX}{self.name}.v{self.version}"

    @cached_property
    def template(self) -> str:
        """The subject without its last token, the shard or requester: `evt.orders.placed.v1`."""
        return f"{_SUBJECT_PREFIX[self.kind]}.{self.name}.v{self.version}"

    @cached_property
    def subjects(self) -> str:
        """The filter that matches every shard, `evt.orders.placed.v1.*`, or every requester."""
        return f"{self.template}.*"

    @property
    def stream(self) -> str:
        """The stream that keeps it, `ORDERS` or `SHIPPING_JOBS`.

        Raises DeclarationError for requests and effects, which are in no stream.
        """
        if self.kind not in _STREAM_SUFFIX:
            raise DeclarationError(f"{self.name}: a {self.kind} is kept in no stream")
        return self.domain.upper().replace("-", "_") + _STREAM_SUFFIX[self.kind]

    def subject(self, key: str) -> str:
        """Return the subject on which a message with this key is published."""
        return f"{self.template}.{shard(key)}"

    def requested_by(self, service: str) -> str:
        """Return the subject on which a service sends this request; no other user may."""
        return f"{self.template}.{service}"


def is_type(ce_type: str) -> bool:
    """Return whether a message of this library can have this CloudEvents type."""
    return _TYPE.fullmatch(ce_type) is not None


def shard(key: str) -> str:
    """Return the last token of the subjects of a key's messages: crc32(key) % 64."""
    return f"{zlib.crc32(key.encode()) % SHARDS:02d}"


def _declared(
    cls: Any, kind: Kind | None, name: str, version: int, key: str | None, sequence: str | None
) -> MessageType:
    where = f"{cls.__module__}.{cls.__qualname__}"
    if kind is None:
        raise DeclarationError(
            f"{where}: a message with name= must be an Event, Job, Request or Effect"
        )
    if not _NAME.fullmatch(name):
        raise DeclarationError(f'{where}: name "{name}" is not of the form domain.what-happened')
    if type(version) is not int or version < 1:
        raise DeclarationError(
            f"{where}: version must be a whole number from 1 on, not {version!r}"
        )
    if key is None and kind != "request":
        raise DeclarationError(f"{where}: key= must name the field that the message is about")
    for field in filter(None, (key, sequence)):
        if field not in cls.__struct_fields__:
            raise DeclarationError(f'{where}: it has no field "{field}"')
    return MessageType(kind, name, version, key, sequence)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class MessageMeta(msgspec.StructMeta):
    """The metaclass that takes and checks the keywords `name`, `version`, `key` and `sequence`."""

    def __new__(
        mcls,
        clsname: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        kind: Kind | None = None,
        name: str | None = None,
        version: int = 1,
        key: str | None = None,
        sequence: str | None = None,
        **struct: Any,
    ) -> MessageMeta:
        struct = {"frozen": True, "kw_only": True} | struct
        cls: Any = super().__new__(mcls, clsname, bases, namespace, **struct)
        cls.__kind__ = kind or getattr(cls, "__kind__", None)
        cls.__declared__ = (
            _declared(cls, cls.__kind__, name, version, key, sequence) if name else None
        )
        return cls  # type: ignore[no-any-return]  # msgspec's metaclass is untyped here


class Message(msgspec.Struct, metaclass=MessageMeta):
    """The base of all messages. A class without `name=` only shares fields with others."""


class Event(Message, kind="event"):
    """A fact, in the past tense: kept in a stream, read by every durable that declares it."""


class Job(Message, kind="job"):
    """A command for one worker: kept until done, then gone."""


R = TypeVar("R")


class Request(Message, Generic[R], kind="request"):
    """A question that is answered now, by an R, or times out."""


class Effect(Message, kind="effect"):
    """A call to the outside world, kept as a row of the service's own database until done.

    Its identity is its key: the same effect with the same key is stored once, ever.
    """


def message_type(cls: type[Message]) -> MessageType:
    """Return a class's declaration; raises DeclarationError if it has none."""
    try:
        declared: MessageType | None = cls.__declared__  # type: ignore[attr-defined]  # by the metaclass
    except AttributeError:
        raise DeclarationError(f"{str(cls)[:200]} is not a message class") from None
    if declared is None:
        raise DeclarationError(
            f"{cls.__module__}.{cls.__qualname__} is not a message: its class has no name="
        )
    return declared


def message_key(message: Message) -> str:
    """Return the key's value as text, 1 to 256 printable characters; raises InvalidMessage.

    A message without a key, such as a request, has an empty one.
    """
    field = message_type(type(message)).key
    key = str(value) if field and (value := getattr(message, field)) is not None else ""
    if len(key) > 256 or not key.isprintable() or (field and not key):
        raise InvalidMessage(
            f"{type(message).__name__}: key {key[:64]!r} is not 1 to 256 printable characters"
        )
    return key


@cache
def _decoder(cls: type[Message]) -> msgspec.json.Decoder[Message]:
    return msgspec.json.Decoder(cls)


_encode = msgspec.json.Encoder().encode


def encode(message: Message) -> bytes:
    """Return the message's body as JSON; raises InvalidMessage if readers could not decode it.

    Nothing checks the fields when a message is made, and a NaN becomes a null only here. So the
    sender decodes the body as its readers will: 0.4 us a message.
    """
    cls = type(message)
    try:
        body = _encode(message)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"{cls.__name__}: {error}") from error
    decode(cls, body)
    return body


def decode(cls: type[Message], body: bytes) -> Message:
    """Return the message in a body; unknown fields are ignored. Raises InvalidMessage."""
    try:
        return _decoder(cls).decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidMessage(f"{cls.__name__}: {error}") from error
