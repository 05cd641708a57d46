"""The rules, one a file: each has GATES, texts (RE2) one of which stands in whatever the rule could find, and `find`.

A gate is cheap and wrong in one direction only: it may open for nothing, it never stays shut before a find. Every
`find` takes a text and gives `Found`s in any order; checks (Luhn, checksums, number plans) are its own business.
Patterns are bounded, so that no text takes long; people's own patterns go through RE2 (`own.py`).
"""
