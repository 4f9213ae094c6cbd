"""`taosink doctor`: checks everything that a consumer needs, before anybody runs one."""
