"""What can come of an outside call: an answer, no answer, or a refusal of the call itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from tallystick.errors import PartnerUnavailable, PermanentError, TemporaryError

T = TypeVar("T")
SHOWN = 200
"""So many bytes of a body are shown in an error."""


class NoAnswer(TemporaryError):
    """No answer that can be trusted came: the call may have taken effect or not."""


class Unavailable(NoAnswer, PartnerUnavailable):
    """The other side does not serve us: nobody there, too late, an error there, no login."""


class CallRefused(PermanentError):
    """The other side says that the call itself is wrong; to make it again does not help."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side answered: `call` names the call, as `POST https://...`, in errors."""

    call: str
    status: int
    body: bytes

    def read(self, kind: type[T], **about: object) -> T:
        """The body, as this type; `about` are fields and the values that they must have.

        Raises NoAnswer if the body is not JSON of this type, or is about something else: what is
        not understood must not be taken for a yes or a no.
        """
        try:
            found = msgspec.json.decode(self.body, type=kind)
        except msgspec.DecodeError as cause:
            raise NoAnswer(f"{self.call}: {cause} in {self.start}") from cause
        for field, wanted in about.items():
            if (other := getattr(found, field)) != wanted:
                raise NoAnswer(f"{self.call}: an answer about {field} {str(other)[:SHOWN]}")
        return found

    @property
    def start(self) -> str:
        """How the body begins, for errors."""
        return self.body[:SHOWN].decode(errors="replace")
