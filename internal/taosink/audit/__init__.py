"""The account: what was produced against what the database and the dead letters hold."""
