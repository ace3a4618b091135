//! The committed header is what the sources say.

use crate::generated_header as header;

#[test]
fn the_committed_header_is_in_step() {
    let committed = std::fs::read(header::path()).expect("include/eplb.h");
    assert!(
        committed == header::generate(),
        "include/eplb.h is not what cbindgen makes: run `cargo run --example header`"
    );
}

/// A constant of the core that is `pub` in a file given to cbindgen becomes a macro of the caller's.
#[test]
fn the_header_defines_nothing_without_the_prefix() {
    let header = String::from_utf8(header::generate()).unwrap();
    for line in header.lines().filter(|line| line.starts_with("#define")) {
        assert!(line.starts_with("#define EPLB_"), "{line}");
    }
}

#[test]
fn the_version_is_the_package_version() {
    let part = |text: &str| text.parse::<u32>().unwrap();
    let package = (part(env!("CARGO_PKG_VERSION_MAJOR")) << 16)
        | (part(env!("CARGO_PKG_VERSION_MINOR")) << 8)
        | part(env!("CARGO_PKG_VERSION_PATCH"));
    assert_eq!(eplb::ffi::eplb_version(), package);
}
