"""Files by which a drill and its processes tell each other something."""

HEALED = "poison-is-gone"
