"""Import paths that earlier documentation names, one line each: this folder is on the path of the package."""
