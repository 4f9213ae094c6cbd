"""The live page: its files, how they are served, and what it says first."""
