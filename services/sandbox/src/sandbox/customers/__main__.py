"""`python -m sandbox.customers`: run customers until SIGTERM, or until the last has finished."""

import argparse
import asyncio
import contextlib
import random
import signal
from collections import Counter

import msgspec
import structlog

from sandbox.customers.history import Exchange, History
from sandbox.customers.run import Customers
from tallystick.outside import address_of

REPORT_EVERY_S = 30.0
KEPT = 1_000  # exchanges that an endless stream remembers

log = structlog.get_logger()


def asked() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser("sandbox.customers", description=__doc__)
    parser.add_argument("--url", required=True, help="URL of the orders service")
    parser.add_argument("--rate", type=float, default=1, help="orders a second")
    parser.add_argument("--total", type=int, help="number of orders; endless if not given")
    parser.add_argument("--concurrency", type=int, default=64, help="orders placed at a time")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(2**32), help="decides what customers do"
    )
    return parser.parse_args()


def failed_twice(history: History) -> list[Exchange]:
    """Return the requests that failed or got no answer twice in a row."""
    asked: Counter[tuple[int, str]] = Counter()
    failed = []
    for exchange in history.exchanges:
        ask = (exchange.number, exchange.call)
        asked[ask] = asked[ask] + 1 if exchange.in_doubt else 0
        if asked[ask] == 2:
            failed.append(exchange)
    return failed


async def report(history: History) -> None:
    """Log the counts so far, every REPORT_EVERY_S, until cancelled."""
    while True:
        await asyncio.sleep(REPORT_EVERY_S)
        log.info("customers", **history.figures)


async def run(args: argparse.Namespace) -> History:
    """Run customers; return their history at SIGTERM, or when all have finished."""
    customers = Customers(
        args.url,
        total=args.total,
        rate=args.rate,
        concurrency=args.concurrency,
        seed=args.seed,
        keep=None if args.total else KEPT,
    )
    log.info(
        "customers come", url=address_of(args.url), rate=args.rate, total=args.total, seed=args.seed
    )
    visits = asyncio.create_task(customers.run())
    reports = asyncio.create_task(report(customers.history))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, visits.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await visits
    reports.cancel()
    return customers.history


def main() -> int:
    """Run the program; return exit code 1 if a customer gave up."""
    stamp = structlog.processors.TimeStamper("iso")
    structlog.configure(processors=[stamp, structlog.processors.JSONRenderer()])
    args = asked()
    history = asyncio.run(run(args))
    twice = failed_twice(history) if args.total else []
    for exchange in twice:
        log.warning("failed twice", **msgspec.structs.asdict(exchange))
    log.info("customers went", **history.figures, **{"failed twice": len(twice)})
    return 1 if history.figures["gave up"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
