"""KFP components: each parses its settings, calls one worker, and logs."""
