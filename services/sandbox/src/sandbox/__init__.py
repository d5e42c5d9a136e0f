"""A simulated payment provider and carrier: no money moves and no parcel leaves.

The sandbox stands in for the two outsiders that an order depends on, so that the whole
platform runs on one machine and every kind of trouble can be had on request. It is a
simulation and says so: in its OpenAPI page and in the header `Sandbox: simulation` of
every answer.

What it keeps, as a real provider and carrier would:

- The first answer under an `Idempotency-Key`, a refusal too, is the answer to every
  repetition, also to concurrent ones and after a restart; another body under the key is
  refused with 422. Nothing but the key makes two calls one: a capture of the same
  reference under a fresh key charges again, and the ledger shows it.
- Its ledgers only grow. A call that took effect after its caller gave up is in them.

    POST /provider/captures            {"reference", "amount", "currency", "token"}
    POST /provider/refunds             {"reference", "amount", "currency"}
    GET  /provider/captures/{reference}
    GET  /provider/ledger              pages, oldest first; /provider/ledger/totals
    POST /carrier/bookings             {"reference", "address"}
    POST /carrier/cancellations        {"reference"}
    GET  /carrier/bookings/{reference}
    GET  /carrier/ledger               pages, oldest first; /carrier/ledger/totals
    GET  /faults, PUT /faults          what goes wrong from now on, in this process

With `SANDBOX_WEBHOOK_URL` the provider tells each new entry of its ledger there, in a signed
webhook, see `sandbox.provider.webhooks`. How to ask for faults is told in `sandbox.faults` and
`sandbox.mishaps`; who buys things here, in `sandbox.customers`.
"""
