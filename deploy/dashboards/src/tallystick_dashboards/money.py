"""Compute money in whole units of its currency from counters in minor units.

ISO 4217 gives most currencies two decimals; those that have none or three are named here.
"""

NONE = (
    "BIF|CLP|DJF|GNF|ISK|JPY|KMF|KRW|PYG|RWF|UGX|UYI|VND|VUV|XAF|XOF|XPF",
    1,
)
THREE = ("BHD|IQD|JOD|KWD|LYD|OMR|TND", 1000)
HOUR = 3600


def an_hour(counter: str, where: str = "") -> str:
    """Return the expression of a counter's growth in an hour at the present rate, by currency."""
    others = f'currency!~"{NONE[0]}|{THREE[0]}"'
    some = [_hourly(counter, where, f'currency=~"{codes}"', unit) for codes, unit in (NONE, THREE)]
    return " or ".join([_hourly(counter, where, others, 100), *some])


def _hourly(counter: str, where: str, currencies: str, minor_units: int) -> str:
    matchers = ", ".join(filter(None, (where, currencies)))
    a_second = f"sum by (currency) (rate({counter}{{{matchers}}}[$__rate_interval]))"
    return f"{HOUR} * {a_second} / {minor_units}"
