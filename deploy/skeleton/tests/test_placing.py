import signal
import threading
from pathlib import Path

import pytest

from tallystick_skeleton import placing
from tallystick_skeleton.placing import changed, place

Tree = dict[str, str]


def written(folder: Path, tree: Tree) -> Path:
    for path, text in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def read(folder: Path) -> Tree:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_text() for file in files}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return written(tmp_path / "root", {"list": "old", "same": "same", "ours": "ours"})


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return written(tmp_path / "copy", {"list": "new", "same": "same", "services/a/api": "a"})


def test_what_is_new_or_changed_is_put_in_and_nothing_else(root: Path, copy: Path) -> None:
    files = changed(copy, root)
    assert files == [Path("list"), Path("services/a/api")]
    place(copy, root, files)
    assert read(root) == {"list": "new", "same": "same", "ours": "ours", "services/a/api": "a"}


def test_what_cannot_be_put_in_whole_leaves_everything_as_it_was(root: Path, copy: Path) -> None:
    (root / "services").write_text("a file where a folder should be")
    before = read(root)
    with pytest.raises(OSError, match="services"):
        place(copy, root, changed(copy, root))
    assert read(root) == before


def test_folders_that_were_made_for_it_go_again(root: Path, copy: Path) -> None:
    missing = copy / "zoo"
    with pytest.raises(FileNotFoundError):
        place(copy, root, [*changed(copy, root), missing.relative_to(copy)])
    assert not (root / "services").exists()
    assert (root / "list").read_text() == "old"


def test_who_interrupts_meanwhile_waits_for_its_end(
    root: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = placing._write

    def interrupted(path: Path, content: bytes) -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # others do not block it
        write(path, content)

    monkeypatch.setattr(placing, "_write", interrupted)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # a server may have its own
    try:
        with pytest.raises(KeyboardInterrupt):
            place(copy, root, changed(copy, root))
    finally:
        signal.signal(signal.SIGINT, usual)
    assert changed(copy, root) == []
