"""One file, one check. Checks read evidence and yield results; they neither judge, nor print, nor meet an attack."""
