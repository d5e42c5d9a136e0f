"""Places one order over HTTP and waits for its end: `helm test`. Needs Python alone."""

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any
from uuid import uuid4

WITHIN_S = 60.0
ORDER = {
    "customer_id": "c-helm-test",
    "currency": "EUR",
    "payment_token": "tok_visa",
    "lines": [{"sku": "SKU-000123", "quantity": 2, "unit_price": 4995}],
    "address": {
        "name": "Ada Lovelace",
        "street": "12 Analytical Way",
        "city": "London",
        "postcode": "N1 9GU",
        "country": "GB",
    },
}
ENDED = ("shipped", "declined", "cancelled")


def ask(url: str, key: str = "", body: Any = None) -> dict[str, Any]:
    """Return the answer's body; raises OSError."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key} if body else {}
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310  # of the chart
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        told: dict[str, Any] = json.load(answer)
        return told


def insist(until: float, url: str, key: str = "", body: Any = None) -> dict[str, Any]:
    """Ask until there is an answer or time is up."""
    while True:
        try:
            return ask(url, key, body)
        except OSError as error:
            if time.monotonic() > until:
                said = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
                sys.exit(f"{url}: {error} {said}")
            time.sleep(0.5)


def main(url: str) -> None:
    """Say how the order ended; exit code 1 if it was not shipped in time."""
    began = time.monotonic()
    until = began + WITHIN_S
    order = insist(until, f"{url}/orders", uuid4().hex, ORDER)
    print(f"placed {order['id']}")
    while order["state"] not in ENDED and time.monotonic() < until:
        order = insist(until, f"{url}/orders/{order['id']}?wait=10")
    print(f"{order['state']} after {time.monotonic() - began:.2f} s")
    if order["state"] != "shipped":
        sys.exit(f"the order {order['id']} is {order['state']}: tally timeline {order['id']}")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
