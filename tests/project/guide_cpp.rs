//! What docs/guides/cpp.md shows is what `make test` compiles and runs: each block of C++, but for its
//! indentation, is part of one of these programs.

use std::fs;
use std::path::Path;

const PROGRAMS: [&str; 3] = ["examples/plan.cpp", "examples/engine.cpp", "c_tests/guide.cpp"];

#[test]
fn every_block_is_compiled() {
    let programs = PROGRAMS.map(|name| flat(&read(name)));
    let blocks = blocks(&read("docs/guides/cpp.md"), "cpp");
    assert!(blocks.len() > 10);
    for block in blocks {
        assert!(programs.iter().any(|p| p.contains(&flat(&block))), "in no program:\n{block}");
    }
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The fenced blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let bodies = page.split(opening.as_str()).skip(1);
    bodies.map(|rest| rest.split("```").next().unwrap().to_string()).collect()
}

/// The lines without what is before and behind them.
fn flat(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
