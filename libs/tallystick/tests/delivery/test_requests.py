"""A request is answered, refused permanently or failed temporarily; no two clocks are compared."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec
import nats
import pytest
from nats.aio.client import Client

from tallystick import Broker, PermanentError, Request, Router, TemporaryError
from tallystick._service.runtime import Runtime
from tallystick.errors import RequestFailed, RequestRefused
from tallystick.testing.nats import processed

Run = Callable[..., AbstractAsyncContextManager[Runtime]]


class Price(msgspec.Struct):
    amount: int
    note: str = ""


class Quote(Request[Price], name="shop.quote"):
    item: str


@pytest.fixture
def router() -> Router:
    router = Router("shop", requests=[Quote])

    @router.reply(Quote)
    async def quote(request: Quote) -> Price:
        match request.item:
            case "none":
                raise PermanentError("there is no such item")
            case "later":
                raise TemporaryError("the shelf is locked")
            case "wrong":
                return Price(amount="much")  # type: ignore[arg-type]  # what it is about
            case "long":
                return Price(amount=1, note=2_000_000 * "x")
        return Price(amount=7)

    return router


async def test_a_permanent_refusal_differs_from_a_temporary_failure(
    run: Run, router: Router
) -> None:
    async with run(router) as runtime:
        broker: Broker = runtime.parts.broker
        assert await broker.request(Quote(item="mug"), within=5) == Price(amount=7)
        with pytest.raises(RequestRefused, match="there is no such item"):
            await broker.request(Quote(item="none"), within=5)
        with pytest.raises(RequestFailed, match="the shelf is locked"):
            await broker.request(Quote(item="later"), within=5)
        with pytest.raises(RequestFailed, match="TypeError"):
            await broker.request(Quote(item="wrong"), within=5)


async def test_a_request_that_cannot_be_read_is_refused(
    run: Run, router: Router, nats_url: str
) -> None:
    by_hand = await nats.connect(nats_url, inbox_prefix="_INBOX.ada")
    async with run(router):
        answer = await by_hand.request("req.shop.quote.v1.ada", b"{}", timeout=5)
    await by_hand.close()
    assert answer.headers == {"tally-error": "InvalidMessage", "tally-refused": "1"}


async def test_a_request_that_its_reader_could_not_read_is_not_sent(
    run: Run, router: Router
) -> None:
    async with run(router) as runtime:
        with pytest.raises(Exception, match="Quote: "):
            await runtime.parts.broker.request(Quote(item=7), within=5)  # type: ignore[arg-type]  # what it is about


async def test_the_time_that_a_requester_waits_is_sent_as_a_duration(
    run: Run, router: Router, client: Client
) -> None:
    heard = await client.subscribe("req.shop.quote.v1.shop")
    await processed(client)
    async with run(router) as runtime:
        await runtime.parts.broker.request(Quote(item="mug"), within=2.5)
    assert ((await heard.next_msg(timeout=5)).headers or {})["tally-within"] == "2.500"


async def test_an_answer_that_the_broker_does_not_take_is_refused_and_says_why(
    run: Run, router: Router
) -> None:
    async with run(router) as runtime:
        with pytest.raises(RequestRefused, match=r"answer to Quote has 2000\d+ bytes, more than"):
            await runtime.parts.broker.request(Quote(item="long"), within=5)


async def test_no_request_tells_the_reply_subject_of_another(
    run: Run, router: Router, client: Client
) -> None:
    """Every service that answers may publish to every inbox."""
    heard = await client.subscribe("req.shop.quote.v1.shop")
    await processed(client)
    async with run(router) as runtime:
        for _ in range(2):
            await runtime.parts.broker.request(Quote(item="mug"), within=5)
        await runtime.parts.connection.client.request("$JS.API.INFO", timeout=5)
        of_nats_py = runtime.parts.connection.client._resp_sub_prefix or b""
    replies = [(await heard.next_msg(timeout=5)).reply.split(".") for _ in range(2)]
    assert [len(reply[-1]) for reply in replies] == [32, 32]
    assert replies[0][-1][:8] != replies[1][-1][:8]
    assert of_nats_py.decode().split(".")[2] not in replies[0] + replies[1]


async def test_an_answer_that_comes_too_late_is_dropped(
    run: Run, router: Router, client: Client
) -> None:
    """Nothing is left of a request that nobody waits for any more, and the next gets its own."""
    async with run(router) as runtime:
        requests = runtime.parts.connection.requests
        asked = await client.subscribe("late")
        await processed(client)  # or the broker says that nobody is there
        with pytest.raises(TimeoutError):
            await requests.send("late", b"", b"", within=0.05)
        await client.publish((await asked.next_msg(timeout=5)).reply, b"late")
        assert await runtime.parts.broker.request(Quote(item="mug"), within=5) == Price(amount=7)
        assert requests._waiting == {}
