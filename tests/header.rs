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

#[test]
fn the_version_is_the_package_version() {
    let part = |text: &str| text.parse::<u32>().unwrap();
    let package = (part(env!("CARGO_PKG_VERSION_MAJOR")) << 16)
        | (part(env!("CARGO_PKG_VERSION_MINOR")) << 8)
        | part(env!("CARGO_PKG_VERSION_PATCH"));
    assert_eq!(eplb::ffi::eplb_version(), package);
}
