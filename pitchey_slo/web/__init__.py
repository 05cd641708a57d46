"""The HTTP side of the house: deliveries come in, administrators look after tokens and the store.

`create_app` builds the FastAPI application, one module per section of the API; `serve` runs it under hypercorn until it
is asked to stop, and then closes the store. A 2xx answer to a delivery means its rows are committed and synced. Every
refusal has the one shape `{"error": {"reason", "message", "detail"}}` with a reason from `pitchey_slo.names.REASONS`;
what may succeed later is 408, 429 or 503, the last two with `Retry-After`, and never 500. Counts in an answer are rows
of that delivery: `stored`, `duplicates` (the same source and event id were there before), `rejected`.

No SQL from people runs in this process: it owns the hot store, and one careless SELECT could stop the ingest. Readers
use the lake (`pitchey_slo.connect()`). PromQL does run here, in threads of its own and within limits (`queries`):
it can name series and numbers, and nothing else. SLOs are evaluated in one thread (`slo_numbers`) by the workbench
that notebooks use, on the lake: their filters are the operator's own files, no request brings one. `scrape.yml` in the
folder of configurations makes the server scrape. TLS is left to a reverse proxy.
"""

from pitchey_slo.web.app import create_app
from pitchey_slo.web.limits import Limits
from pitchey_slo.web.serve import serve

__all__ = ["Limits", "create_app", "serve"]
