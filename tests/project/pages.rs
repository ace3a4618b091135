//! README.md, docs/BENCHMARKS.md and docs/SECONDS.md say what docs/figures holds: every generated block is what `make bench` wrote,
//! and the figures that the text quotes are those that were measured.

use crate::blocks;
use crate::claims;
use crate::tables;
use std::fs;
use std::path::Path;

use crate::figures::Figures;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn figures() -> Figures {
    Figures::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/figures")).unwrap()
}

#[test]
fn blocks_are_what_was_measured() {
    let figures = figures();
    for path in ["README.md", "docs/BENCHMARKS.md", "docs/SECONDS.md"] {
        let page = read(path);
        let filled = blocks::fill(&page, |name| tables::block(name, &figures)).unwrap();
        assert!(page.contains("<!-- begin generated: "));
        assert!(page == filled, "{path}: a generated block was edited; run make pages");
    }
}

#[test]
fn text_quotes_what_was_measured() {
    let figures = figures();
    assert!(figures.real(), "docs/figures are of generated loads");
    let page = read("README.md");
    assert_eq!(claims::faults(&page, &figures), [""; 0]);
    // and the check can fail: a digit more anywhere is noticed
    let planted = page.replace("The workspace is 29.8 KiB", "The workspace is 29.7 KiB");
    assert_eq!(claims::faults(&planted, &figures).len(), 1);
    assert_eq!(claims::faults(&page.replace("The workspace is", "It is"), &figures).len(), 1);
}

#[test]
fn choosing_quotes_what_was_measured() {
    let figures = figures();
    let page = read("docs/CHOOSING.md");
    assert_eq!(claims::faults_of_choosing(&page, &figures), [""; 0]);
    let planted = page.replace("0.875 at 2", "0.865 at 2");
    assert_eq!(claims::faults_of_choosing(&planted, &figures).len(), 1);
}

/// BALANCED is faster than plain C++, and better balanced.
#[test]
fn faster_than_plain() {
    let figures = figures();
    for compiler in figures.distinct("versus", "compiler") {
        let figure =
            |program, column| tables::versus_of(&figures, compiler, "256-288-32", program, column);
        assert!(figure("balanced", "of_plain_high") < 1.0);
        assert!(figure("balanced", "balance") > figure("plain", "balance"));
        assert_eq!(figure("plain", "balance"), figure("deepseek", "balance"));
    }
}

#[test]
fn only_blocks_change() {
    let block = |name: &str| (name == "a").then(|| "new\n".to_string());
    let page = "text\n<!-- begin generated: a -->\nold\n<!-- end generated: a -->\nmore\n";
    let filled = page.replace("old", "new");
    assert_eq!(blocks::fill(page, block).as_ref(), Ok(&filled));
    assert_eq!(blocks::fill(&filled, block).as_ref(), Ok(&filled));
    assert_eq!(blocks::fill("no block\n", block), Ok("no block\n".to_string()));
    assert!(blocks::fill("<!-- begin generated: a -->\n", block).is_err());
    assert!(blocks::fill(&page.replace(": a", ": b"), block).is_err());
}
