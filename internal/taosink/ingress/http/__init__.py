"""The gateway's HTTP: a public listener for devices, an admin one for operators."""
