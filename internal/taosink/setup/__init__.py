"""`taosink init`: makes what is missing before anything runs."""
