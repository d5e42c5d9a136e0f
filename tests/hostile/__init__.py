"""What hostile clients send, against one platform that runs as long as these tests do."""
