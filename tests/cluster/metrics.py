"""A Prometheus, asked over its API."""

from __future__ import annotations

from typing import Any

import aiohttp


class Prometheus:
    """Answers queries as of now."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that a query returns, NaN left out; raises ClientResponseError if refused."""
        answer = await self._get("query", query=expression)
        found: list[dict[str, Any]] = answer["result"]
        return [series for series in found if series["value"][1] != "NaN"]

    async def down(self) -> list[str]:
        """What it cannot scrape, with its error."""
        targets = (await self._get("targets", state="active"))["activeTargets"]
        return [
            f"{target['labels']}: {target['lastError']}"
            for target in targets
            if target["health"] != "up"
        ]

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health and its last error."""
        groups = (await self._get("rules"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        url = f"{self._url}/api/v1/{what}"
        async with self._http.get(url, params=parameters, raise_for_status=True) as answer:
            data: dict[str, Any] = (await answer.json())["data"]
            return data
