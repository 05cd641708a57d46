"""Specs of SLOs: OpenSLO files read strictly, changed in place, and written from values.

`openslo.read` takes v1 and v1alpha and tells every problem with file, line, key and a suggestion; `schema.py` is the
one table that knows the keys, `extras.py` our annotations. `write.SpecFile` changes one value and leaves every other
byte. `shelf.Shelf` is for processes that live long: it reads again what changed. What specs mean is `slo/model.py`.
"""
