"""Services that a person stopped: a file each in the state folder, obeyed by the supervisor."""

from pathlib import Path

from tallystick_local.state import running


def hold(state: Path, service: str) -> None:
    """Ask the running platform to stop a service, all its replicas, until `release`.

    Raises NotRunningError.
    """
    running(state)
    _folder(state).mkdir(exist_ok=True)
    (_folder(state) / service).touch()


def release(state: Path, service: str) -> None:
    """Ask the running platform to start the service again; raises NotRunningError."""
    running(state)
    (_folder(state) / service).unlink(missing_ok=True)


def held(state: Path) -> set[str]:
    """Return the services that are to be stopped."""
    return {file.name for file in _folder(state).glob("*")}


def clear(state: Path) -> None:
    """Forget what an earlier platform was asked."""
    for file in _folder(state).glob("*"):
        file.unlink()


def _folder(state: Path) -> Path:
    return state / "held"
