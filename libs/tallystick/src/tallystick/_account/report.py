"""What a look says: whether it could judge, what it did, and what a person sees of the account."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from tallystick._account.findings import Finding
from tallystick._account.spans import PERIOD, Span


@dataclass(slots=True)
class Report:
    """One look at one source by one reader."""

    waits_for: str = ""
    """Why nothing more could be judged; empty if everything was."""
    database: UUID | None = None
    """The source's database; the first one that answers is kept, and others are refused."""
    period: int = PERIOD
    """The length of the source's periods, for the next look."""
    kept_from: int = 0
    """The source has everything that was made from then on."""
    republished: int = 0
    left: int = 0
    """Lost messages that were not republished now."""
    refused: str = ""
    """Why the source did not republish all."""
    settled_until: int = 0
    """Everything made before this moment is received, and nothing can be added to it."""
    agrees_until: int = 0
    """Everything published until this look and made before this moment is received."""
    settled: int = 0
    """Messages in settled spans."""
    findings: dict[Span, Finding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Overview:
    """A row of `tally account`, but for what is deferred and dead."""

    source: str
    durable: str
    published: int
    received: int
    on_its_way: int
    unsent: int
    missing: int
    unknown: int
    settled_until: int
    agrees_until: int
    waits_for: str

    @property
    def is_accounted_for(self) -> bool:
        """Whether nothing is missing or unknown, and nothing kept the look from finding it."""
        return not (self.missing or self.unknown or self.waits_for)


def overview(source: str, durable: str, report: Report) -> Overview:
    """Return what a person sees of one reader of one source."""
    findings = list(report.findings.values())
    return Overview(
        source=source,
        durable=durable,
        published=report.settled + sum(each.published for each in findings),
        received=report.settled + sum(each.received for each in findings),
        on_its_way=sum(each.on_its_way for each in findings),
        unsent=sum(each.unsent for each in findings),
        missing=sum(each.missing for each in findings),
        unknown=sum(each.unknown for each in findings),
        settled_until=report.settled_until,
        agrees_until=report.agrees_until,
        waits_for=report.waits_for,
    )
