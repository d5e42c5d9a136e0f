"""Commands that show and change streams and durables."""
