//! Writes `include/eplb.h`: `cargo run --example header`.

#[path = "../tests/common/header.rs"]
mod header;

fn main() -> std::io::Result<()> {
    std::fs::write(header::path(), header::generate())
}
