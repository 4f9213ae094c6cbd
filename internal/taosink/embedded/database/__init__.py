"""TDengine's REST protocol over SQLite: what it answers is held to transcripts of a real server."""
