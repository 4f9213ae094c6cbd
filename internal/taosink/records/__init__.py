"""Records as devices send them: codecs, routes, and the encoder that writes them as SQL."""
