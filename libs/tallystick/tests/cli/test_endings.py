"""No command ends in a traceback, whatever it is given and whoever stops reading it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from tallystick._cli.dlq.correction import corrected
from tallystick._cli.errors import UsedWrongly
from tallystick._cli.targets import Places, parse_admins
from tallystick._cli.times import parse_start, parse_time, time_of

Shop = Any
Tally = Any
PROGRAM = (sys.executable, "-c", "from tallystick._cli import main; main()")

TOO_FAR = ("99999999d", "9" * 400 + "h", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00")
NO_SEQUENCE = ("9223372036854775808", "9" * 5000)
TIMED = (
    ("tail", "--since"),
    ("dlq", "list", "--since"),
    ("dlq", "list", "--until"),
    ("dlq", "audit", "--before"),
    ("dlq", "replay", "--reason", "why", "--until"),
    ("dlq", "discard", "--reason", "why", "--since"),
    ("durable", "rewind", "shop-books", "--yes", "--to"),
)
NUMBERED = (
    ("dlq", "list", "--limit"),
    ("dlq", "audit", "--limit"),
    ("dlq", "replay", "--reason", "why", "--rate"),
    ("dlq", "replay", "--reason", "why", "--wait"),
)


@pytest.mark.parametrize("text", TOO_FAR)
def test_a_time_that_no_calendar_has_is_refused(text: str) -> None:
    for parse in (parse_time, parse_start):
        with pytest.raises(UsedWrongly, match="from 1970 to 2200"):
            parse(text)


@pytest.mark.parametrize("text", NO_SEQUENCE)
def test_a_number_that_no_stream_counts_to_is_refused(text: str) -> None:
    with pytest.raises(UsedWrongly, match="is no sequence"):
        parse_start(text)


def test_a_key_with_an_impossible_time_has_none() -> None:
    assert time_of("ffffffff-ffff-7fff-bfff-ffffffffffff") is None


@pytest.mark.parametrize("command", TIMED, ids=" ".join)
@pytest.mark.parametrize("text", TOO_FAR[::2])
async def test_every_option_that_takes_a_time_refuses_it_in_a_line(
    tally: Tally, command: Sequence[str], text: str
) -> None:
    result = await tally(*command, text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("tally: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", NUMBERED, ids=" ".join)
@pytest.mark.parametrize("text", ["-1", "nan", "1e999x", "", "9" * 5000])
async def test_every_option_that_takes_a_number_ends_well_or_says_what_it_wants(
    tally: Tally, command: Sequence[str], text: str
) -> None:
    result = await tally(*command, text)
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.exit_code in (0, 1, 2)
    assert "Traceback" not in result.output


@pytest.mark.parametrize("url", ["nats://[", "nats://h:99999", "nats://", "elsewhere", "a b"])
def test_a_broker_that_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(UsedWrongly, match="not of the form TALLY_NATS_URL=nats://"):
        Places(url, {}, None).broker()


async def test_several_brokers_are_tried_one_after_the_other(shop: Shop, tally: Tally) -> None:
    several = f"nats://127.0.0.1:1, {shop.env['TALLY_NATS_URL']}"
    assert (await tally("durable", "list", env={"TALLY_NATS_URL": several})).exit_code == 0


@pytest.mark.parametrize("url", ["http://[::1", "http://h:99999", "http://", "ftp://h"])
def test_an_admin_port_that_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(UsedWrongly, match="is not of the form"):
        parse_admins([f"orders={url}"])


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "[" * 5000, "9" * 5000])
def test_what_is_no_json_number_is_set_as_the_text_that_it_is(text: str) -> None:
    assert json.loads(corrected('{"name": ""}', [f"name={text}"])) == {"name": text}


@pytest.mark.parametrize(
    "command",
    [
        "tail",
        "tail > --since 1h --json",
        "tail --follow --since 1h",
        "dlq list",
        "dlq list --json",
        "durable list",
        "topology",
        "--help",
    ],
)
async def test_a_reader_that_stops_reading_gets_no_traceback(shop: Shop, command: str) -> None:
    await shop.sell()
    reader, writer = os.pipe()
    os.close(reader)
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *command.split(),
        env={**os.environ, **shop.env},
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    async with asyncio.timeout(30):
        _, complaint = await process.communicate()
    assert complaint == b""
    assert process.returncode == (1 if command == "--help" else 141)


ANSWERS = (
    (200, "application/json", b'{"a"x'),
    (200, "application/json", b"[]"),
    (200, "application/json", b"{}"),
    (200, "application/json", b"\xff"),
    (200, "text/html", b"<p>hello"),
    (502, "application/json", b"[]"),
    (503, "application/problem+json", b'{"title": null, "errors": null}'),
    (500, "text/plain", b""),
)
ASKING = (
    "dlq list",
    "dlq show x",
    "dlq audit",
    "deferred list",
    "topology",
    "timeline x",
    "durable list",
)


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
async def test_what_something_else_answers_is_a_line_and_1(
    tally: Tally, answer: tuple[int, str, bytes]
) -> None:
    status, kind, body = answer

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
        writer.write(head.encode() + b"connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for command in ASKING:
            env = {"TALLY_ADMIN": f"shop=http://127.0.0.1:{port}"}
            result = await tally(*command.split(), env=env)
            assert (result.exit_code, result.stdout) == (1, ""), command
            assert result.stderr.startswith("tally: "), command


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"COLUMNS": "20"},
        {"COLUMNS": "0"},
        {"TERM": "dumb", "NO_COLOR": "1"},
        {"TZ": "Pacific/Kiritimati"},
    ],
    ids=str,
)
async def test_every_terminal_gets_an_answer(shop: Shop, env: dict[str, str]) -> None:
    item = await shop.sell("dead")
    for command in (f"timeline {item}", "tail", "dlq list", f"dlq show {item}", "durable list"):
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            *command.split(),
            env={**os.environ, **shop.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            answer, complaint = await process.communicate()
        assert (process.returncode, complaint) == (0, b""), command
        assert answer
        assert b"\x1b[" not in answer
        if "ascii" in env.values():
            assert answer.isascii()
