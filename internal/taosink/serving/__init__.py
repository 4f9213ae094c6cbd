"""HTTP listeners: an ASGI application on a loop that is there, by uvicorn, with the bounds that it lacks."""
