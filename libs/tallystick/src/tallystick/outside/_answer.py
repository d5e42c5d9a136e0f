"""The three results of an outside call: an answer, no answer, or a refusal of the call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from tallystick.errors import PartnerUnavailable, PermanentError, TemporaryError

T = TypeVar("T")
SHOWN = 200
"""The number of bytes of a body that an error shows."""


class NoAnswer(TemporaryError):
    """No answer came that can be trusted: the call may have taken effect or not."""


class Unavailable(NoAnswer, PartnerUnavailable):
    """The other side does not serve us: no connection, a late answer, an error, no login."""


class CallRefused(PermanentError):
    """The other side refused the call as wrong; making it again does not help."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The other side's answer; `call` names the call in errors, such as `POST https://...`."""

    call: str
    status: int
    body: bytes

    def read(self, kind: type[T], **about: object) -> T:
        """Return the body as a `kind`; `about` gives fields and the values that they must have.

        Raises NoAnswer if the body is not JSON of this type or a field has another value, because
        an answer that is not understood must not be taken for a yes or a no.
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
        """The start of the body, for errors."""
        return self.body[:SHOWN].decode(errors="replace")
