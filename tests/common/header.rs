//! The C header as cbindgen makes it, for the example that writes it and the test that compares it.

use std::path::{Path, PathBuf};

/// The files whose public items are the C face. cbindgen is given these alone: fed the whole crate it
/// would leak constants of the core.
const SOURCES: &[&str] = &[
    "src/status.rs",
    "src/problem/topology.rs",
    "src/problem/spec.rs",
    "src/compat/policy.rs",
    "src/options/mod.rs",
    "src/options/operation.rs",
    "src/options/flags.rs",
    "src/placement/check.rs",
    "src/score/metrics.rs",
    "src/dispatch/batch.rs",
    "src/transfers/list.rs",
    "src/gate/records.rs",
    "src/ffi/types.rs",
    "src/load/forecast.rs",
];

/// Where the header is.
pub fn path() -> PathBuf {
    root().join("include/eplb.h")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The header as the sources say it should be.
pub fn generate() -> Vec<u8> {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES.iter().chain(&["src/ffi/mod.rs"]) {
        builder = builder.with_src(root().join(source));
    }
    let mut header = Vec::new();
    builder.generate().expect("cbindgen").write(&mut header);
    header
}
