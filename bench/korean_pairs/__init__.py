"""Labelled pairs of Korean instructions: near-duplicates that should go, and twins that must stay."""
