"""Tests of the command as a whole; a package, for the helpers that they share."""
