"""The command line, beside a shop that runs as long as the tests of this package do."""
