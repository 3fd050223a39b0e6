"""Training of the default encoder, one module for each stage."""
