"""A `Report` as people and machines read it: terminal, one HTML page, notebook, JSON with side files, SARIF.

Modules are imported by name (`report.html`, `report.files`, ...), so that a command loads only what it shows.
"""
