"""Single messages by hand: `taosink send` puts them into a topic, `taosink tail` shows what a topic holds."""
