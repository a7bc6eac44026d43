"""Dev machines: what was asked for is recorded first, and then brought about, also by the next controller."""
