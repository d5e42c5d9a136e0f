"""The payments service: captures, voids and refunds the money of an order."""
