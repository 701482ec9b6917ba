"""The Python API: what the commands do, as functions. Names in, data and figures out; `metadisco` exports them."""
