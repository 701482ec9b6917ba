"""The Python API: the commands as functions that take names and return data and figures; `metadisco` exports them."""
