"""Runs what warren is compared with, one contender after the other, and draws what came of it."""
