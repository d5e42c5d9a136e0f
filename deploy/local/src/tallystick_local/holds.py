"""Note which services a person stopped: one file each in the state folder, for the supervisor."""

from pathlib import Path

from tallystick_local.state import running


def hold(state: Path, service: str) -> None:
    """Ask the running platform to stop all replicas of a service until `release`.

    Raises NotRunningError.
    """
    running(state)
    _folder(state).mkdir(exist_ok=True)
    (_folder(state) / service).touch()


def release(state: Path, service: str) -> None:
    """Ask the running platform to start the service again; raise NotRunningError."""
    running(state)
    (_folder(state) / service).unlink(missing_ok=True)


def held(state: Path) -> set[str]:
    """Return the services that a person stopped."""
    return {file.name for file in _folder(state).glob("*")}


def clear(state: Path) -> None:
    """Remove the notes for an earlier platform."""
    for file in _folder(state).glob("*"):
        file.unlink()


def _folder(state: Path) -> Path:
    return state / "held"
