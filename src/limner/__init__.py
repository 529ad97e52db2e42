"""limner: joints, bodies, motion transfer and faces for pictures of people."""

__version__ = "0.1.0"
