"""How full a volume is, as Prometheus is told."""

import os
from pathlib import Path

from helm.tallystick.files.volume_metrics import sizes, told


def test_a_volume_is_told_with_its_size_and_what_is_free(tmp_path: Path) -> None:
    found, there = sizes([str(tmp_path)]), os.statvfs(tmp_path)
    size, free = found[str(tmp_path)]
    assert size == there.f_blocks * there.f_frsize
    assert 0 < free <= size
    assert f'volume_free_bytes{{path="{tmp_path}"}} {free}\n' in told(found)
