"""One error root: a name says what the library does, a docstring is the default message."""

from __future__ import annotations

from typing import Any


class TallystickError(Exception):
    """Something in the messaging library failed."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or type(self).__doc__ or type(self).__name__)


class TemporaryError(TallystickError):
    """Not now: the message is held and tried again, for as long as its patience lasts.

    `delay` is in seconds; without one the retry policy chooses.
    """

    def __init__(self, detail: str = "", *, delay: float | None = None) -> None:
        if delay is not None and not isinstance(delay, int | float):
            raise TypeError(f"delay is {delay!r}, and not a number of seconds")
        super().__init__(detail or "not now, try again later")
        self.delay = delay


class PartnerUnavailable(TemporaryError):
    """The outside does not serve us: no connection, no answer in time, 5xx, or a login refused.

    Many in a row open the circuit of an effect; a plain TemporaryError, which says "not yet" about
    one message, never does.
    """


class PermanentError(TallystickError):
    """No retry can mend this: the message becomes a dead letter."""


class CommittedTwice(TallystickError):
    """A delivery is committed once, and last: this commit did not happen."""


class Conflict(TallystickError):
    """A guarded write met another version: read again, decide again."""


class DatabaseUnavailable(TallystickError):
    """The database cannot be reached; nothing was committed."""


class DatabaseBusy(TemporaryError):
    """Every connection for this purpose is in use; nothing was committed."""


class InDoubt(TallystickError):
    """The connection was lost while committing: it may have happened or not."""


class InvalidMessage(TallystickError):
    """A message, its subject or its headers break a rule; nothing was sent."""


class DeclarationError(TallystickError):
    """A declaration contradicts itself or another one; found when the program starts."""


class BrokerUnavailable(TallystickError):
    """The broker did not confirm the message in time; it may have been stored or not."""


class BrokerConnectionEnded(BrokerUnavailable):
    """The broker ended the connection for good; only a new process mends that."""


class NotStored(TallystickError):
    """The broker refused to store the message."""


class Refused(TallystickError):
    """The broker refused a change of streams or durables."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error.get('description')} ({error.get('err_code')})")
        self.code = error.get("code")


class RequestFailed(TemporaryError):
    """A request got no answer: nobody answers, too late, or an error there that may pass."""


class RequestRefused(PermanentError):
    """The service that was asked refuses this request: asked again, it would refuse it again."""


class BrokerTooOld(TallystickError):
    """The broker lacks what this library stands on."""


class NotTheOwner(TallystickError):
    """Another database holds what was done with this service's messages."""


class MigrationFailed(TallystickError):
    """A migration could not be applied; those before it stay."""


class InvalidSettings(TallystickError):
    """A setting is missing or wrong; the message names its environment variable."""


class PortTaken(TallystickError):
    """Another process listens there."""


class MissingExtra(TallystickError):
    """What comes with an extra is used and not installed; the message tells how to install it."""


class UnsupportedVersion(TallystickError):
    """A package is installed in a version that this release of the library does not work with."""
