"""One message on its way in: delivered, attempted, settled."""
