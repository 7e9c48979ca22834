"""One file, one check. A check reads evidence and yields results; it never judges a data set, prints or meets an attack."""
