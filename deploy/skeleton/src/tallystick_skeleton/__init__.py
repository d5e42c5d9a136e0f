"""Makes a new service that works, and enters it wherever services are named."""
