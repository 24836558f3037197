"""Accounts (the billed party), their two sides, and who may act for them: API keys and the grants behind them."""
