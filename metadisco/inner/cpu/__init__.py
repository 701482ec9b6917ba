"""What makes small arrays quick on CPU, bit-equal to or as good as what it replaces."""
