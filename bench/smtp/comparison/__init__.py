"""The parts of bench/smtp/compare."""
