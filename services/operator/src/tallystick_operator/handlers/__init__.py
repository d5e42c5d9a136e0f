"""The handlers of each kind of resource, one file per kind."""
