"""`tally durable` on the durables of a shop."""

import json
from typing import Any

from nats.js.api import ConsumerConfig

from tallystick.topology import declared, reconcile

Shop = Any
Tally = Any


async def listed(tally: Tally, durable: str) -> dict[str, Any]:
    result = await tally("durable", "list", "--json")
    found: dict[str, dict[str, Any]] = {one["durable"]: one for one in json.loads(result.stdout)}
    return found[durable]


async def test_each_durable_is_listed_with_what_it_reads(shop: Shop, tally: Tally) -> None:
    await shop.sell()
    result = await tally("durable", "list")
    assert result.exit_code == 0, result.stderr
    head, first, reads, *_ = result.stdout.splitlines()
    assert head.split() == [
        "DURABLE",
        "STREAM",
        "PENDING",
        "UNACKED",
        "REDELIVERED",
        "READERS",
        "STATE",
    ]
    assert first.split() == ["shop-books", "SHOP", "0", "0", "0", "1", "read"]
    assert reads == "  reads evt.shop.sold.v1.*"


async def test_a_durable_that_differs_says_how(shop: Shop, tally: Tally) -> None:
    jetstream = shop.client.jetstream()
    config = (await jetstream.consumer_info("SHOP", "shop-counts")).config
    await jetstream.add_consumer("SHOP", config.evolve(max_ack_pending=7))
    assert (await listed(tally, "shop-counts"))["state"] == "differs"
    checked = await tally("topology", "--check")
    await jetstream.add_consumer("SHOP", config)
    assert checked.exit_code == 1
    assert "durable SHOP/shop-counts: max_ack_pending is 7, declared is" in checked.stdout


async def test_a_durable_of_nobody_known_is_listed_as_well(shop: Shop, tally: Tally) -> None:
    jetstream = shop.client.jetstream()
    await jetstream.add_consumer("SHOP", ConsumerConfig(durable_name="guest-reads"))
    assert (await listed(tally, "guest-reads"))["state"] == "not read"
    await jetstream.delete_consumer("SHOP", "guest-reads")


async def test_a_missing_durable_is_missing(shop: Shop, tally: Tally) -> None:
    await shop.client.jetstream().delete_consumer("SHOP", "shop-counts")
    found = await listed(tally, "shop-counts")
    shown = (await tally("durable", "list")).stdout.splitlines()
    assert found["missing"]
    assert {found[count] for count in ("pending", "unacknowledged", "redelivered", "readers")} == {
        None
    }
    assert ["shop-counts", "SHOP", "missing"] in [line.split() for line in shown]
    await reconcile(shop.client, [declared(shop.runtime.parts.router)])


async def test_a_durable_is_paused_and_resumed(tally: Tally) -> None:
    paused = await tally("durable", "pause", "shop-letters")
    assert paused.stdout.startswith("shop-letters is paused until 20")
    assert paused.stdout.endswith("tally durable resume shop-letters\n")
    assert (await listed(tally, "shop-letters"))["state"].startswith("paused until")
    assert (await tally("durable", "resume", "shop-letters")).stdout == "shop-letters is resumed\n"
    assert (await listed(tally, "shop-letters"))["paused_until"] is None


async def test_a_rewound_durable_takes_no_effect_twice(shop: Shop, tally: Tally) -> None:
    item = await shop.sell()
    result = await tally("durable", "rewind", "shop-books", "--to", "1m", "--yes", "--json")
    done = json.loads(result.stdout)
    assert (done["durable"], done["stream"]) == ("shop-books", "SHOP")
    assert done["sequence"] > 0
    story = json.loads((await tally("timeline", item, "--json")).stdout)
    assert [s["title"] for s in story["steps"] if s["kind"] == "stored"] == ["shop-charge"]


async def test_a_durable_is_rewound_to_a_sequence_of_its_stream(shop: Shop, tally: Tally) -> None:
    await shop.sell()
    rewind = ("durable", "rewind", "shop-books", "--to")
    start = json.loads((await tally(*rewind, "1m", "--yes", "--json")).stdout)["sequence"]
    asked = await tally(*rewind, str(start), input="n\n")
    assert f", since {start}.\n" in asked.stderr
    result = await tally(*rewind, str(start), "--yes")
    assert result.stdout == f"shop-books reads again from {start} on\n"


async def test_a_rewinding_says_that_it_is_harmless_and_asks(shop: Shop, tally: Tally) -> None:
    await shop.sell()
    asked = await tally("durable", "rewind", "shop-books", "--to", "1h", input="n\n")
    assert asked.exit_code == 2
    assert "shop-books will read again at most" in asked.stderr
    assert "nothing takes effect twice" in asked.stderr
    assert asked.stderr.endswith("tally: nothing was changed\n")
    nobody = await tally("durable", "rewind", "shop-books", "--to", "1h", input="")
    assert nobody.stderr.endswith("tally: nothing was changed, because nobody agreed: add --yes\n")


async def test_an_unknown_durable_is_a_line_and_2(tally: Tally) -> None:
    for name in ("shop-nothing", "a b", "*"):
        result = await tally("durable", "pause", name)
        assert result.exit_code == 2
        assert result.stderr == f"tally: there is no durable {name}: see tally durable list\n"


async def test_the_shell_completes_durables(tally: Tally) -> None:
    words = {"_TALLY_COMPLETE": "complete_bash", "COMP_WORDS": "tally durable pause shop-b"}
    result = await tally(env={**words, "COMP_CWORD": "3"})
    assert result.stdout.split() == ["shop-books"]
