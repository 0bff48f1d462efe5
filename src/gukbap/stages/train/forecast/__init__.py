"""What a training takes: memory, steps, tokens, operations, hours and cost, told before it starts."""
