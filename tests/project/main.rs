//! The tests of the project around the library: its shape, its header, its pages and its demo.

mod architecture;
mod demo;
mod docs;
mod guide_cpp;
mod header;
mod pages;

#[path = "../../examples/pages/blocks.rs"]
mod blocks;
#[path = "../common/ci.rs"]
mod ci;
#[path = "../../examples/pages/claims.rs"]
mod claims;
#[path = "../../examples/pages/figures.rs"]
mod figures;
#[allow(dead_code)] // the demo uses more of it
#[path = "../../examples/demo/generate.rs"]
mod generate;
#[path = "../common/header.rs"]
mod generated_header;
#[path = "../../examples/pages/readme.rs"]
mod readme;
#[path = "../../examples/pages/tables.rs"]
mod tables;
#[allow(dead_code)]
#[path = "../../examples/demo/trace.rs"]
mod trace;
