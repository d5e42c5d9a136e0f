"""The mail house's ledger: a row for each letter that was posted, and its SQL."""

from dataclasses import dataclass

from sandbox.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the mail house's ledger: a letter to the customer of this reference."""

    key: str
    reference: str
    subject: str
    text: str

    @property
    def asked(self) -> tuple[object, ...]:
        """What the caller sent."""
        return self.reference, self.subject, self.text


LEDGER = Ledger(
    entry=Entry,
    enter="""
        insert into mail_ledger (key, reference, subject, text) values ($1, $2, $3, $4)
        on conflict (key) do nothing returning key
        """,
    by_key="select key, reference, subject, text from mail_ledger where key = $1",
    by_reference="""
        select key, reference, subject, text from mail_ledger where reference = $1 order by position
        """,
    page="""
        select position, entered_at, key, reference, subject from mail_ledger
        where position > $1 and ($2::text is null or reference = $2)
        order by position limit $3
        """,
    totals="select subject, count(*) as count from mail_ledger group by subject order by subject",
)
