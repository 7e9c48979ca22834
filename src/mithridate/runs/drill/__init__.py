"""`drill`: known poison in small doses, on a copy of one's own data; what was caught, missed, and cried wolf over."""
