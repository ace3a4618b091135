//! The tests of the project around the library: its shape, its header and its pages.

mod architecture;
mod docs;
mod guide_cpp;
mod header;
mod pages;

#[path = "../../docs/pages/blocks.rs"]
mod blocks;
#[path = "../common/ci.rs"]
mod ci;
#[path = "../../docs/pages/claims.rs"]
mod claims;
#[path = "../../docs/pages/figures.rs"]
mod figures;
#[path = "../common/header.rs"]
mod generated_header;
#[path = "../../docs/pages/readme.rs"]
mod readme;
#[path = "../../docs/pages/seconds.rs"]
mod seconds;
#[path = "../../docs/pages/tables.rs"]
mod tables;
