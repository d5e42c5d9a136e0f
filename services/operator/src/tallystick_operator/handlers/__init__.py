"""What is done about each kind of resource, a file each."""
