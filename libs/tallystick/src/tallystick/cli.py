"""The parts of which other packages make commands of their own for `tally`.

A package adds commands by an entry point of the group `tallystick.commands`. It names a function
that takes a `typer.Typer` and adds commands to it::

    [project.entry-points."tallystick.commands"]
    stock = "shop.commands:register"

The function and one command::

    def register(app: typer.Typer) -> None:
        app.command(epilog=example("tally stock 4711"))(stock)

    @reports_errors
    def stock(ctx: typer.Context, item: str, as_json: AsJson = False) -> None:
        '''Show how many of an item there are.'''
        answers = asyncio.run(ask(places(ctx), item))
        ...
        end_of(answers.silent)

    async def ask(at: Places, item: str) -> Answers:
        async with asked(at) as services:
            return await services.each(path_of("stock", item), optional=True)

- Errors: `reports_errors` turns each TallystickError into a line on stderr and an exit code: 2 for
  `UsedWrongly` and `InvalidSettings`, 1 for the others.
- Services: `places` finds their addresses, `asked` opens their admin ports, `path_of` makes the
  paths; the result is `Answers`, `ServiceRefused` or `Silent`. `ServiceOption` names one service.
- Output: `say`, `say_json`, `table` and `end_of`; `plain` for text from elsewhere; `strong`,
  `notable` and `faint` for emphasis; `second` for a time.
- People: `Actor` and `Reason` are who acts and why; `asked_reason` asks for the reason.
"""

from tallystick._cli.actor import Actor, Reason, asked_reason
from tallystick._cli.admin_api import Answers, ServiceRefused, Services, Silent, asked, path_of
from tallystick._cli.app import command_line
from tallystick._cli.errors import UsedWrongly, example, reports_errors
from tallystick._cli.output import (
    AsJson,
    end_of,
    faint,
    notable,
    plain,
    say,
    say_json,
    strong,
    table,
)
from tallystick._cli.service_option import ServiceOption, places
from tallystick._cli.targets import Places
from tallystick._cli.times import second

__all__ = [
    "Actor",
    "Answers",
    "AsJson",
    "Places",
    "Reason",
    "ServiceOption",
    "ServiceRefused",
    "Services",
    "Silent",
    "UsedWrongly",
    "asked",
    "asked_reason",
    "command_line",
    "end_of",
    "example",
    "faint",
    "notable",
    "path_of",
    "places",
    "plain",
    "reports_errors",
    "say",
    "say_json",
    "second",
    "strong",
    "table",
]
