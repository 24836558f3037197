"""Numbers bought of another service, over the field's oldest protocol (handler_api): stock, prices, orders, messages."""
