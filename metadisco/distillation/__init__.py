"""From a learned loss to formulas: the function on a grid, fits of known families, symbolic search."""
