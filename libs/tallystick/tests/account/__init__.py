"""The account's decisions; `simulation` is a source, a reader and a broker for them."""
