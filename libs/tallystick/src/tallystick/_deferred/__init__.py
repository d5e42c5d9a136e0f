"""Messages that wait in the database: their rows, leases and limits."""
