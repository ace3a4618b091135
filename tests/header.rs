//! The committed header is what the sources say.

#[path = "common/header.rs"]
mod header;

#[test]
fn the_committed_header_is_in_step() {
    let committed = std::fs::read(header::path()).expect("include/eplb.h");
    assert!(
        committed == header::generate(),
        "include/eplb.h is not what cbindgen makes: run `cargo run --example header`"
    );
}

/// A C program that includes it finds no name of ours but eplb_ and EPLB_.
#[test]
fn every_macro_has_the_prefix() {
    let header = String::from_utf8(header::generate()).unwrap();
    let macros = header.lines().filter_map(|line| line.strip_prefix("#define "));
    let foreign: Vec<_> = macros.filter(|name| !name.starts_with("EPLB_")).collect();
    assert_eq!(foreign, [""; 0]);
}

#[test]
fn the_version_is_the_package_version() {
    let part = |text: &str| text.parse::<u32>().unwrap();
    let package = (part(env!("CARGO_PKG_VERSION_MAJOR")) << 16)
        | (part(env!("CARGO_PKG_VERSION_MINOR")) << 8)
        | part(env!("CARGO_PKG_VERSION_PATCH"));
    assert_eq!(eplb::ffi::eplb_version(), package);
}
