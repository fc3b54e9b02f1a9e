//! End-to-end scenarios over the real binaries (`scenarios/`) and the benches (`bench/`).
