"""The shipping service: books and cancels the shipment of an order."""
