"""The parts of the suite, a module each with `run(bench) -> Measured`."""
