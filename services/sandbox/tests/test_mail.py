"""The mail house as its caller meets it."""

import aiohttp
import pytest

from newsletter.domain import Letter
from newsletter.mailer import Mailer
from tallystick import PermanentError
from tallystick.outside import NoAnswer

HELLO = Letter(subject="Hello", text="Good news.")


async def ledger(url: str) -> list[tuple[str, str]]:
    async with aiohttp.request("GET", f"{url}/mail/ledger") as response:
        return [(entry["key"], entry["subject"]) for entry in (await response.json())["entries"]]


async def test_a_letter_is_posted_once_under_its_key(url: str) -> None:
    async with Mailer(url, timeout_s=10) as mailer:
        for _ in range(3):
            await mailer.post_letter("k1", "o1", HELLO)
    assert await ledger(url) == [("k1", "Hello")]


async def test_a_fresh_key_posts_another_letter(url: str) -> None:
    async with Mailer(url, timeout_s=10) as mailer:
        await mailer.post_letter("k1", "o1", HELLO)
        await mailer.post_letter("k2", "o1", HELLO)
    assert await ledger(url) == [("k1", "Hello"), ("k2", "Hello")]


async def test_another_letter_under_a_known_key_is_refused(url: str) -> None:
    async with Mailer(url, timeout_s=10) as mailer:
        await mailer.post_letter("k1", "o1", HELLO)
        with pytest.raises(PermanentError, match=r"422 .*another request"):
            await mailer.post_letter("k1", "o1", Letter(subject="Hello", text="Bad news."))


async def test_a_lost_answer_leaves_one_letter(url: str) -> None:
    faults = {"mail": {"reset_after": 1, "attempts": 1}}
    async with aiohttp.request("PUT", f"{url}/faults", json=faults) as response:
        assert response.status == 200
    async with Mailer(url, timeout_s=10) as mailer:
        with pytest.raises(NoAnswer):
            await mailer.post_letter("k1", "o1", HELLO)
        await mailer.post_letter("k1", "o1", HELLO)
    assert await ledger(url) == [("k1", "Hello")]


async def test_letters_are_counted_by_subject(url: str) -> None:
    async with Mailer(url, timeout_s=10) as mailer:
        await mailer.post_letter("k1", "o1", HELLO)
    async with aiohttp.request("GET", f"{url}/mail/ledger/totals") as response:
        assert (await response.json())["totals"] == [{"subject": "Hello", "count": 1}]
