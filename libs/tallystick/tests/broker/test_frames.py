"""What the broker sends is read the same wherever a chunk of it ends."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError
from structlog.testing import capture_logs

from tallystick._broker.frames import FrameParser

HEADERS = b"NATS/1.0\r\na: b\r\n\r\n"
SENT = b"".join(
    (
        b'INFO {"max_payload": 7}\r\nPING\r\n+OK\r\n',
        b"MSG a 1 0\r\n\r\n",
        b"MSG a.b 1 reply.to 9\r\nx\r\nMSG \r\n\r\n",
        b"HMSG a 2 %d %d\r\n%bbody\r\n" % (len(HEADERS), len(HEADERS) + 4, HEADERS),
        b"PONG\r\n-ERR 'No'\r\n",
        b"HMSG  a\t1  r  %d  %d\r\n%b\r\n" % (len(HEADERS), len(HEADERS), HEADERS),
        b"MSG theirs 7 r 2\r\nhi\r\n",
        b"PING\r\n",
    )
)
EXPECTED = [
    ("info", {"max_payload": 7}),
    ("ping",),
    (1, b"a", b"", b"", b""),
    (1, b"a.b", b"reply.to", b"", b"x\r\nMSG \r\n"),
    (2, b"a", b"", HEADERS, b"body"),
    ("pong",),
    ("err", "'no'"),
    (1, b"a", b"r", HEADERS, b""),
    ("theirs", 7, b"theirs", b"r", b"hi", None),
    ("ping",),
]


class Client:
    """Writes down what a parser hands over."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        ours = {b"%d" % number: self._receiver(number) for number in (1, 2)}
        self.parser = FrameParser(self, ours)

    def _receiver(self, number: int) -> Any:
        return lambda *frame: self.seen.append((number, *frame))

    async def _process_info(self, info: Any) -> None:
        self.seen.append(("info", info))

    async def _process_ping(self) -> None:
        self.seen.append(("ping",))

    async def _process_pong(self) -> None:
        self.seen.append(("pong",))

    async def _process_err(self, error: str) -> None:
        self.seen.append(("err", error))

    async def _process_msg(self, *message: Any) -> None:
        self.seen.append(("theirs", *message))


@given(st.sets(st.integers(0, len(SENT))))
async def test_frames_are_handed_over_in_order_wherever_they_are_cut(cuts: set[int]) -> None:
    client = Client()
    at = 0
    for cut in [*sorted(cuts), len(SENT)]:
        await client.parser.parse(SENT[at:cut])
        at = cut
    assert client.seen == EXPECTED


async def test_a_new_connection_begins_with_a_whole_frame() -> None:
    client = Client()
    await client.parser.parse(b"MSG a 1 100\r\nonly the begin")
    client.parser.reset()
    await client.parser.parse(b"PING\r\nMSG a 1 1\r\nx\r\n")
    assert client.seen == [("ping",), (1, b"a", b"", b"", b"x")]


async def test_what_is_no_frame_is_an_error_of_the_protocol() -> None:
    with pytest.raises(ProtocolError):
        await Client().parser.parse(b"HELLO\r\n")


@pytest.mark.parametrize(
    "frame",
    [b"MSG a 1\r\n", b"MSG a 1 x\r\n", b"HMSG a 1 4\r\nbody\r\n", b"MSG \r\n", b"INFO {\r\n", 8],
)
async def test_what_cannot_be_read_ends_the_connection_and_not_only_its_reading(frame: Any) -> None:
    """A websocket that closes gives a number for bytes (nats-io/nats.py, issue 361)."""
    with capture_logs(), pytest.raises(ProtocolError):
        await Client().parser.parse(frame)


async def test_an_error_of_a_receiver_is_logged_and_the_next_message_is_read() -> None:
    client = Client()

    def fail(*_: bytes) -> None:
        raise ZeroDivisionError

    client.parser._receivers[b"2"] = fail
    with capture_logs() as lines:
        await client.parser.parse(b"MSG a 2 0\r\n\r\nMSG a 1 0\r\n\r\n")
    assert [line["event"] for line in lines] == ["wire message failed"]
    assert client.seen == [(1, b"a", b"", b"", b"")]
