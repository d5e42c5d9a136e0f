"""What a service counts of errors that nobody foresaw."""

from prometheus_client import REGISTRY


def unforeseen() -> float:
    """The requests of this process that ended in an error nobody foresaw."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        if family.name == "http_server_unexpected_errors"
        for sample in family.samples
        if sample.name.endswith("_total")
    )
