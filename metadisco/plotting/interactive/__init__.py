"""Interactive figures: arrays in, a Plotly Figure out; and pages that hold them. Computing is done elsewhere."""
