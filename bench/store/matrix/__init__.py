"""The parts of bench/store/run: disks, measurements, goals, tables."""
