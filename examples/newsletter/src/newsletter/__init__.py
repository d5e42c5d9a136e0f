"""The newsletter: it writes to a customer how an order ended."""
