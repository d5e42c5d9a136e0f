"""Whatever the bytes are, a body is taken as JSON that can be stored, or refused with a problem."""

import json
import math
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tallystick._http.json import DEEPEST, check_json
from tallystick._http.problem import Problem

TOKENS = [
    *(b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b" ", b"\n", b"/", b"'"),
    *(b"NaN", b"Infinity", b"-Infinity", b"-", b"nul", b"null", b"true", b"false"),
    *(b"0", b"1", b"-1", b"1.5", b"1e400", b"-1E999", b"9" * 5_000, b"1e", b"01"),
    *(b'"a"', b'"a":', b'"\\u0000"', b'"\\ud800"', b'"\\uDC00":', b'"\\ud83d\\ude00"', b'"\\u"'),
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xc0\x80", b"\xed\xa0\x80", b"\x1f"),
    *(b"[" * 200, b"]" * 200, b"[" * 30_000, b'{"a":' * 5_000, b"}" * 5_000),
]


def refused(body: bytes) -> Problem | None:
    """Return the problem with a body; what else is raised is what must not be."""
    try:
        check_json(body)
    except Problem as problem:
        return problem
    return None


def values(value: Any) -> list[Any]:
    """Return all that is in a value, keys too."""
    if isinstance(value, dict):
        return [value, *value, *(found for part in value.values() for found in values(part))]
    if isinstance(value, list):
        return [value, *(found for part in value for found in values(part))]
    return [value]


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join) | st.binary(max_size=60))
@example(b'{"a": NaN')
@example(b"[Infinity,}")
@example(b'{"a": 1e400, "b":')
@example(b"[NaN,")
@example(b"[NaN," + b"[" * 30_000 + b"]" * 30_000)
@example(b"[" * 30_000 + b"]" * 30_000)
@example(b'[1e400,{"a":1,"a":2}]')
@example(b"[NaN," + b"9" * 5_000 + b"]")
@settings(max_examples=1_000, deadline=None, database=None)
def test_no_bytes_end_in_anything_but_a_problem(body: bytes) -> None:
    problem = refused(body)
    if problem is not None:
        assert problem.status in (400, 422)
        return
    for value in values(json.loads(body)):  # what was taken has nothing that cannot be stored
        assert not isinstance(value, float) or math.isfinite(value)
        assert not isinstance(value, str) or "\0" not in value
        assert not isinstance(value, str) or value.encode().decode() == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
        max_leaves=20,
    )
)
@settings(max_examples=300, deadline=None, database=None)
def test_json_is_taken_unless_a_value_of_it_cannot_be_stored(value: Any) -> None:
    found = values(value)
    infinite = any(isinstance(v, float) and not math.isfinite(v) for v in found)
    unstorable = infinite or any(
        isinstance(v, str) and ("\0" in v or any("\ud800" <= c <= "\udfff" for c in v))
        for v in found
    )
    problem = refused(json.dumps(value).encode())
    assert (problem is not None) == unstorable
    assert problem is None or problem.status == 422


@pytest.mark.parametrize("opened", [b"[", b'{"a":'])
def test_how_deep_it_may_be_does_not_depend_on_who_calls(opened: bytes) -> None:
    closed = b"]" if opened == b"[" else b"}"

    def nested(depth: int) -> bytes:
        return opened * depth + b"1" + closed * depth

    assert refused(nested(DEEPEST)) is None
    for depth in (DEEPEST + 1, 300, 900, 10_000):
        problem = refused(nested(depth))
        assert problem is not None
        assert (problem.status, "deep" in str(problem.detail)) == (400, True)


def test_the_places_of_a_wide_array_under_a_long_key_are_not_written_out() -> None:
    body = b'{"' + b"k" * 25_000 + b'":[' + b"0," * 18_000 + b'"\\u0000"]}'
    tracemalloc.start()
    problem = refused(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert problem is not None
    assert len(problem.members["errors"][0]["field"]) <= 200
    assert peak < 20_000_000  # 450 MB, if each place is a text


def test_a_key_twice_among_thousands_is_found_as_quickly_as_it_is_read() -> None:
    keys = b",".join(b'"%d":1' % number for number in range(7_000))
    unique, twice = b"{" + keys + b"}", b"{" + keys + b',"6999":1}'

    def seconds(body: bytes) -> float:
        started = time.process_time()
        refused(body)
        return time.process_time() - started

    assert refused(twice) is not None
    assert min(seconds(twice) for _ in range(3)) < 30 * min(seconds(unique) for _ in range(3))
