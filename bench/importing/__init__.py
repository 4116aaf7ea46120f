"""An import beside the bare insertion of the very rows that it wrote."""
