"""Expressions that several panels are made of.

Every replica exports what it did (to be summed up) and what it knows of the whole, such as a
backlog in the database that they share (of which the largest is taken).
"""

WINDOW = "[$__rate_interval]"


def rate(metric: str, by: str = "", where: str = "") -> str:
    """How much a second, over all replicas."""
    return f"sum{_by(by)} (rate({metric}{_where(where)}{WINDOW}))"


def increase(metric: str, by: str = "", where: str = "") -> str:
    """How much in each step, over all replicas."""
    return f"sum{_by(by)} (increase({metric}{_where(where)}{WINDOW}))"


def quantile(share: float, histogram: str, by: str = "", where: str = "") -> str:
    """What `share` of the observations stay below, over all replicas."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {rate(histogram + '_bucket', labels, where)})"


def shared(metric: str, by: str, where: str = "") -> str:
    """What every replica knows of the whole."""
    return f"max{_by(by)} ({metric}{_where(where)})"


def all_shared(metric: str, by: str, where: str = "") -> str:
    """The sum of what every replica knows of the whole, over all that there is of it."""
    return f"sum({shared(metric, by, where)})"


def average(histogram: str, by: str) -> str:
    """The mean of the observations, over all replicas."""
    return f"{rate(histogram + '_sum', by)} / {rate(histogram + '_count', by)}"


def or_zero(expression: str) -> str:
    """Zero where nothing has happened yet."""
    return f"{expression} or vector(0)"


def quantiles(histogram: str, where: str = "") -> list[tuple[str, str]]:
    """The median and what 95 and 99 of 100 stay below."""
    shares = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    return [(quantile(share, histogram, where=where), name) for share, name in shares]


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""


def _where(matchers: str) -> str:
    return f"{{{matchers}}}" if matchers else ""
