"""pitchey_slo: events in, judgements out; the rule that pages you is the rule you reviewed."""
