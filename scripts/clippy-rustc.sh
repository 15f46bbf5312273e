#!/usr/bin/env bash
# A compiler for RUSTC_WORKSPACE_WRAPPER: compiles our own crate under clippy,
# every warning an error. `cargo clippy` would check all of burn once more, for
# each feature set; here the one build that the tests need is the lint as well.
exec clippy-driver "$@" --deny warnings
