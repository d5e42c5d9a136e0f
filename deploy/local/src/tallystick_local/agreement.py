"""Check that the collected evidence agrees, by pure functions."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tallystick_local.evidence import Evidence, Story

ENDS = frozenset({"shipped", "declined", "cancelled"})


@dataclass(frozen=True)
class Disagreement:
    """Something that is not as promised, and what it is about."""

    about: str  # an order's id, a currency, a service
    text: str

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


def disagreements(evidence: Evidence, orders: int) -> list[Disagreement]:
    """Return everything that does not agree, also if the number of orders is not `orders`."""
    return [
        *_number(evidence, orders),
        *_promises(evidence),
        *_stories(evidence),
        *_sums(evidence),
        *(
            Disagreement(name, f"{count} dead letters")
            for name, count in evidence.dead.items()
            if count
        ),
    ]


def _number(evidence: Evidence, orders: int) -> Iterator[Disagreement]:
    found = sum(1 for story in evidence.stories.values() if story.order)
    if found != orders:
        yield Disagreement("orders", f"{orders} should be placed, but {found} exist")


def _promises(evidence: Evidence) -> Iterator[Disagreement]:
    exist = {order for order, story in evidence.stories.items() if story.order}
    for order in evidence.promised - exist:
        yield Disagreement(order, "was accepted but does not exist")
    if not evidence.in_doubt:
        for order in exist - evidence.promised:
            yield Disagreement(order, "exists but was not accepted")


def _stories(evidence: Evidence) -> Iterator[Disagreement]:
    for order, story in evidence.stories.items():
        for check in CHECKS:
            text = check(story)
            if text:
                yield Disagreement(order, text)


def _sums(evidence: Evidence) -> Iterator[Disagreement]:
    captured, refunded = Counter[str](), Counter[str]()
    for story in evidence.stories.values():
        for currency, amount in story.captures:
            captured[currency] += amount
        for currency, amount in story.refunds:
            refunded[currency] += amount
    for currency in captured.keys() | evidence.totals.keys():
        ledger = captured[currency], refunded[currency]
        counted = evidence.totals.get(currency, (0, 0))
        if ledger != counted:
            yield Disagreement(
                currency, f"the ledger captured and refunded {ledger}, daily_totals say {counted}"
            )


def _exists(story: Story) -> str | None:
    if story.order:
        return None
    places = (story.payment, story.shipment, story.captures, story.bookings)
    return "exists elsewhere but not in orders" if any(places) else None


def _ended(story: Story) -> str | None:
    return f"has not ended: {story.order}" if story.order and story.order not in ENDS else None


def _not_parked(story: Story) -> str | None:
    return f"is parked: {', '.join(story.parked)}" if story.parked else None


def _captured_once(story: Story) -> str | None:
    return f"was captured {len(story.captures)} times" if len(story.captures) > 1 else None


def _captured_its_total(story: Story) -> str | None:
    wrong = [amount for amount in story.captures if amount != story.total]
    return f"has a total of {story.total} but {wrong} were captured" if wrong else None


def _refunded_whole(story: Story) -> str | None:
    if story.refunds and story.refunds != story.captures:
        return f"captured {story.captures} but refunded {story.refunds}"
    return None


def _as_its_end_says(story: Story) -> str | None:
    """Compare (captured, refunded, live bookings) and the other services with the order's end."""
    money = len(story.captures), len(story.refunds)
    live = story.bookings - story.cancellations
    found = f"is {story.order}, with {money[0]} captures, {money[1]} refunds, {live} live bookings"
    found += f", payment {story.payment}, shipment {story.shipment}"
    match story.order:
        case "shipped":
            rest = (story.payment, story.shipment) == ("captured", "dispatched")
            fine = money == (1, 0) and live == 1 and rest
        case "declined":
            fine = money == (0, 0) and story.bookings == 0 and story.payment == "declined"
        case "cancelled":
            fine = (
                money in {(0, 0), (1, 1)} and live == 0 and story.payment in {"voided", "refunded"}
            )
        case _:
            return None
    return None if fine else found


CHECKS: tuple[Callable[[Story], str | None], ...] = (
    _exists,
    _ended,
    _not_parked,
    _captured_once,
    _captured_its_total,
    _refunded_whole,
    _as_its_end_says,
)
