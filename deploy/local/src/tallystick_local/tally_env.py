"""Write the settings of the command `tally` for a running platform into a file that it finds."""

from pathlib import Path

from tallystick_local.plan import Facts, names
from tallystick_local.settings import Settings

FILE = "tally.env"


def write(settings: Settings, facts: Facts) -> None:
    """Write the file into the state folder; only its owner may read it: it has the admin token."""
    draft = settings.state / f"{FILE}.new"
    draft.touch(mode=0o600)
    draft.write_text("".join(f"{name}={value}\n" for name, value in lines(settings, facts)))
    draft.replace(settings.state / FILE)


def forget(state: Path) -> None:
    """Remove the file, because the platform has stopped."""
    (state / FILE).unlink(missing_ok=True)


def lines(settings: Settings, facts: Facts) -> list[tuple[str, str]]:
    """Return names and values of the settings; a shell can read them as well."""
    admins = [
        f"{service}={facts.url(f'{name}-admin')}"
        for service in settings.messaging
        for name in names(service, settings.count(service))
    ]
    return [
        ("TALLY_NATS_URL", facts.url("nats", "nats")),
        ("TALLY_ADMIN", ",".join(admins)),
        ("TALLY_ADMIN_TOKEN", facts.passwords["admin"]),
    ]
