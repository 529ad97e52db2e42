"""motion: two bodies to a flow, a flow to a frame."""
