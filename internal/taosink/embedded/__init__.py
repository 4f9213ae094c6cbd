"""A broker and a database that need nothing but pip: for demos, tests and laptops."""
