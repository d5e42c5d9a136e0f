"""Signatures of webhooks, with the vector that the libraries of Standard Webhooks share."""

import base64

import pytest

from payments.signature import Forged, Signed, keys, verify

# https://github.com/standard-webhooks/standard-webhooks: the example of its libraries' tests
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"the secret that comes after").decode()
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
BODY = b'{"test": 2432232314}'
NOW = 1_614_265_330
GOOD = Signed("msg_p5jXN8AQM9LWM0D4loKWxJek", str(NOW), SIGNATURE)


def signed(**changed: str) -> Signed:
    fields = {"id": GOOD.id, "timestamp": GOOD.timestamp, "signatures": SIGNATURE}
    return Signed(**(fields | changed))


def test_the_vector_of_the_specification_is_authentic() -> None:
    verify(keys(SECRET), GOOD, BODY, NOW)


@pytest.mark.parametrize("secrets", [f"{OTHER},{SECRET}", f"{SECRET}, {OTHER}"])
def test_either_of_two_secrets_will_do(secrets: str) -> None:
    verify(keys(secrets), GOOD, BODY, NOW)


def test_one_good_signature_among_others_will_do() -> None:
    verify(keys(SECRET), signed(signatures=f"v1a,AAAA v1,AAAA {SIGNATURE}"), BODY, NOW)


@pytest.mark.parametrize("now", [NOW - 300, NOW + 300])
def test_a_clock_may_be_five_minutes_off(now: float) -> None:
    verify(keys(SECRET), GOOD, BODY, now)


@pytest.mark.parametrize("now", [NOW - 301, NOW + 301, 0.0])
def test_what_was_signed_at_another_time_is_refused(now: float) -> None:
    with pytest.raises(Forged, match="300 seconds"):
        verify(keys(SECRET), GOOD, BODY, now)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "msg_other"},
        {"timestamp": str(NOW + 1)},
        {"timestamp": f"0{NOW}"},
        {"timestamp": "9" * 5_000},
        {"timestamp": "²"},
        {"timestamp": "-1"},
        {"signatures": SIGNATURE.removeprefix("v1,")},
        {"signatures": SIGNATURE.replace("v1", "v2")},
        {"signatures": "v1,"},
        {"signatures": "v1,é"},
        {"signatures": f"v1,{SIGNATURE}"},
        {"id": ""},
        {"timestamp": ""},
        {"signatures": ""},
    ],
)
def test_headers_that_are_not_as_they_were_signed_are_refused(changed: dict[str, str]) -> None:
    with pytest.raises(Forged):
        verify(keys(SECRET), signed(**changed), BODY, NOW)


def test_another_body_is_refused() -> None:
    with pytest.raises(Forged):
        verify(keys(SECRET), GOOD, BODY.replace(b"2", b"3"), NOW)


def test_another_secret_is_refused() -> None:
    with pytest.raises(Forged):
        verify(keys(OTHER), GOOD, BODY, NOW)


@pytest.mark.parametrize(
    "secrets",
    [
        "",
        SECRET.removeprefix("whsec_"),
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_ü",
        SECRET[:-1],
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        f"{SECRET},",
        f"{SECRET},{OTHER},{SECRET}",
    ],
)
def test_what_is_no_secret_is_refused_and_not_repeated(secrets: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_|more than 2") as refused:
        keys(secrets)
    assert SECRET not in str(refused.value)
