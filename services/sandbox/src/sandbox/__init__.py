"""A simulated payment provider, carrier and mail house: no money moves and no parcel leaves.

The sandbox replaces the two outside systems that an order depends on, and the mail house of an
example. So the whole platform runs on one machine, and every kind of fault can be had on request.
It marks itself as a simulation: in its OpenAPI page and in the header `Sandbox: simulation` of
every answer.

It behaves as real ones would:

- The first answer under an `Idempotency-Key`, even a refusal, is the answer to every
  repetition, also to concurrent ones and after a restart; another body under the key is
  refused with 422. Only the key makes two calls the same: a capture of the same
  reference under a new key charges again, and the ledger shows it.
- Its ledgers only grow. A call that took effect after its caller gave up is in them.

    POST /provider/captures            {"reference", "amount", "currency", "token"}
    POST /provider/refunds             {"reference", "amount", "currency"}
    GET  /provider/captures/{reference}
    GET  /provider/ledger              pages, oldest first; /provider/ledger/totals
    POST /carrier/bookings             {"reference", "address"}
    POST /carrier/cancellations        {"reference"}
    GET  /carrier/bookings/{reference}
    GET  /carrier/ledger               pages, oldest first; /carrier/ledger/totals
    POST /mail/letters                 {"reference", "subject", "text"}
    GET  /mail/ledger                  pages, oldest first; /mail/ledger/totals
    GET  /faults, PUT /faults          what goes wrong from now on, in this process

With `SANDBOX_WEBHOOK_URL` the provider sends each new entry of its ledger there, in a signed
webhook: see `sandbox.provider.webhooks`. `sandbox.faults` and `sandbox.mishaps` describe how to
ask for faults, `sandbox.customers` the simulated customers.
"""
