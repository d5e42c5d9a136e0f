"""PromQL expressions that several panels use.

Every replica exports two kinds of metrics: what it did itself, which is summed up, and what it
reads of the whole, such as a backlog in the shared database, of which the largest value is taken.
"""

WINDOW = "[$__rate_interval]"


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Return the increase per second, over all replicas."""
    return f"sum{_by(by)} (rate({metric}{_where(where)}{WINDOW}))"


def increase(metric: str, by: str = "", where: str = "") -> str:
    """Return the increase in each step, over all replicas."""
    return f"sum{_by(by)} (increase({metric}{_where(where)}{WINDOW}))"


def quantile(share: float, histogram: str, by: str = "", where: str = "") -> str:
    """Return the value that `share` of the observations stay below, over all replicas."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {rate(histogram + '_bucket', labels, where)})"


def shared(metric: str, by: str, where: str = "") -> str:
    """Return a value of the whole that every replica exports."""
    return f"max{_by(by)} ({metric}{_where(where)})"


def all_shared(metric: str, by: str, where: str = "") -> str:
    """Return the sum, over the labels `by`, of values of the whole that every replica exports."""
    return f"sum({shared(metric, by, where)})"


def average(histogram: str, by: str) -> str:
    """Return the mean of the observations, over all replicas."""
    return f"{rate(histogram + '_sum', by)} / {rate(histogram + '_count', by)}"


def or_zero(expression: str) -> str:
    """Return the expression, with zero where it has no series yet."""
    return f"{expression} or vector(0)"


def quantiles(histogram: str, where: str = "") -> list[tuple[str, str]]:
    """Return the expressions of p50, p95 and p99, with their names."""
    shares = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    return [(quantile(share, histogram, where=where), name) for share, name in shares]


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""


def _where(matchers: str) -> str:
    return f"{{{matchers}}}" if matchers else ""
