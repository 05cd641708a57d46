"""Outside world -> Arrow tables that conform: deliveries over HTTP (`decode`), files (`read_file`), any table
(`conform`).

Every way in ends in a `Batch`: rows of exactly `tables.TABLES[...].schema`, the rows that were refused with a reason
from `names.ROW_REASONS`, and warnings such as a misspelt field. A bad row costs that row; a delivery that cannot be
read at all raises a CollectError. Limits count bytes after decompression, and memory stays within a small multiple of
them whatever is sent. Numbers are taken as they come: a missing duration stays missing, a sampled row keeps its
weight.

This room stores nothing and knows nothing of HTTP: `store` writes the rows (and drops what it has already), `web` turns
errors into answers. It does not guess: a time that could be two times, or a text where a number belongs, is refused.
"""

from pitchey_slo.collect.batch import Batch, FileBatch, Rejected
from pitchey_slo.collect.conform import conform
from pitchey_slo.collect.decode import decode
from pitchey_slo.collect.files import read_file
from pitchey_slo.scrub.key import user_key

__all__ = ["Batch", "FileBatch", "Rejected", "conform", "decode", "read_file", "user_key"]
