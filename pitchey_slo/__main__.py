"""`python -m pitchey_slo` is `pitchey-slo`."""

from pitchey_slo.cli import main

main()
