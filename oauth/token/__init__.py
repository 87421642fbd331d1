"""The token endpoint's flows and what they redeem."""
