"""The mail house's HTTP API."""

from typing import Literal

import msgspec
from pydantic import AnyHttpUrl

from newsletter.domain import Letter
from tallystick.outside import Client


class _Answer(msgspec.Struct):
    reference: str
    outcome: Literal["posted"]


class Mailer(Client):
    """A client of the mail house at this URL, which knows a customer by the order."""

    def __init__(self, url: AnyHttpUrl | str, timeout_s: float = 2.0) -> None:
        super().__init__("mailer", f"{str(url).rstrip('/')}/mail", timeout_s=timeout_s)

    async def post_letter(self, key: str, reference: str, letter: Letter) -> None:
        """Have a letter posted, once under this key; raise NoAnswer or CallRefused."""
        body = {"reference": reference, **msgspec.structs.asdict(letter)}
        answer = await self.post("/letters", body, key=key)
        answer.read(_Answer, reference=reference)
