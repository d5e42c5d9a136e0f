"""The library's errors; a class's docstring is its default message."""

from __future__ import annotations

from typing import Any


class TallystickError(Exception):
    """Something in the messaging library failed."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or type(self).__doc__ or type(self).__name__)


class TemporaryError(TallystickError):
    """The message cannot be done now: it is deferred and tried again, until `give_up_after`.

    `delay` is in seconds; without it the retry policy chooses the delay.
    """

    def __init__(self, detail: str = "", *, delay: float | None = None) -> None:
        if delay is not None and not isinstance(delay, int | float):
            raise TypeError(f"delay is {delay!r}, which is not a number of seconds")
        super().__init__(detail or "not now, try again later")
        self.delay = delay


class PartnerUnavailable(TemporaryError):
    """The outside API does not serve us: no connection, no answer in time, 5xx, login refused.

    Many in a row open the circuit of an effect. A plain TemporaryError never does, because it is
    about one message only.
    """


class PermanentError(TallystickError):
    """No retry can succeed: the message becomes a dead letter."""


class CommittedTwice(TallystickError):
    """A delivery can be committed only once: this second commit was not made."""


class NotAwaited(TallystickError):
    """A call was made and never awaited: nothing of it was done."""


class Conflict(TallystickError):
    """A guarded write found another version of the row: read it again and decide again."""


class DatabaseUnavailable(TallystickError):
    """The database cannot be reached; nothing was committed."""


class DatabaseBusy(TemporaryError):
    """Every connection for this purpose is in use; nothing was committed."""


class InDoubt(TallystickError):
    """The connection was lost during the commit: it may have been committed or not."""


class InvalidMessage(TallystickError):
    """A message, its subject or its headers are not valid; nothing was sent."""


class DeclarationError(TallystickError):
    """A declaration contradicts itself or another one; found when the program starts."""


class BrokerUnavailable(TallystickError):
    """The broker did not confirm the message in time; it may have been stored or not."""


class BrokerConnectionEnded(BrokerUnavailable):
    """The broker ended the connection finally; only a new process can connect again."""


class NotStored(TallystickError):
    """The broker refused to store the message; `for_good` if it would refuse it each time."""

    def __init__(self, detail: str, *, for_good: bool = False) -> None:
        super().__init__(detail)
        self.for_good = for_good


class Refused(TallystickError):
    """The broker refused a change of streams or durables."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error.get('description')} ({error.get('err_code')})")
        self.code = error.get("code")
        self.err_code = error.get("err_code")


class RequestFailed(TemporaryError):
    """A request failed: no service answered, the answer was late, or an error that may pass."""


class RequestRefused(PermanentError):
    """The service that was asked refuses this request, and would refuse it again."""


class BrokerTooOld(TallystickError):
    """The broker lacks a feature that this library needs."""


class NotTheOwner(TallystickError):
    """Another database records what was done with this service's messages."""


class MigrationFailed(TallystickError):
    """A migration could not be applied; the migrations before it stay applied."""


class InvalidSettings(TallystickError):
    """A setting is missing or wrong; the message names its environment variable."""


class PortTaken(TallystickError):
    """The address or port cannot be used, such as one on which another process listens."""


class MissingExtra(TallystickError):
    """A package of an extra is needed and not installed; the message says how to install it."""


class UnsupportedVersion(TallystickError):
    """The installed version of a package is not one that this release of the library supports."""
