"""A setting that is missing or wrong is named before anything begins."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tallystick_operator.settings import InvalidSettings, read


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_NAMESPACE", "shop")
    monkeypatch.delenv("OPERATOR_NATS_URL", raising=False)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InvalidSettings, match="OPERATOR_NATS_URL is missing"):
        read()


def test_what_is_wrong_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_NATS_URL", "http://operator:secret@nats:4222")
    monkeypatch.setenv("OPERATOR_EVERY_S", "60")
    with pytest.raises(InvalidSettings) as raised:
        read()
    assert "OPERATOR_NATS_URL is wrong" in str(raised.value)
    assert "OPERATOR_EVERY_S is wrong" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GiB", 8 * 2**30), ("8Gi", 8 * 2**30), ("8GB", 8 * 2**30), ("8G", 8 * 10**9), ("512", 512)],
)
def test_the_size_of_a_store_is_read_as_the_broker_reads_it(
    monkeypatch: pytest.MonkeyPatch, text: str, size: int
) -> None:
    monkeypatch.setenv("OPERATOR_NATS_URL", "nats://nats:4222")
    monkeypatch.setenv("OPERATOR_STORE", text)
    assert read().store == size


def test_the_process_ends_with_a_line_that_says_so() -> None:
    code = "from tallystick_operator.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "tallystick-operator: OPERATOR_NATS_URL is missing\n"
