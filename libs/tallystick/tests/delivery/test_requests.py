"""A request is answered, refused permanently or failed temporarily; no two clocks are compared."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest
from nats.aio.client import Client

from tallystick import Broker, PermanentError, Request, Router, TemporaryError
from tallystick._service.runtime import Runtime
from tallystick.errors import RequestFailed, RequestRefused

Run = Callable[..., AbstractAsyncContextManager[Runtime]]


class Price(msgspec.Struct):
    amount: int


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
    run: Run, router: Router, client: Client
) -> None:
    async with run(router):
        answer = await client.request("req.shop.quote.v1", b"{}", timeout=5)
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
    heard = await client.subscribe("req.shop.quote.v1")
    async with run(router) as runtime:
        await runtime.parts.broker.request(Quote(item="mug"), within=2.5)
    assert ((await heard.next_msg(timeout=5)).headers or {})["tally-within"] == "2.500"
