//! The house keeps its shape: imports go down the table of docs/DESIGN.md ("The house"), unsafe stays
//! in `src/ffi/`, files stay small, the library depends on two crates, and no test is skipped.
//!
//! Works on tokens, not on types: every `crate::` and `super::` path counts as an import, in a `use` or not.

use std::fs;
use std::path::{Path, PathBuf};

/// The import table. A module may use the rows above its own, and its own folder.
const ROWS: [&[&str]; 13] = [
    &["status", "parts"],
    &["base"],
    &["problem"],
    &["placement", "groups"],
    &["bound", "dispatch", "compat", "load"],
    &["score", "options"],
    &["balanced", "transfers", "gate"],
    &["afresh"],
    &["rebalance"],
    &["plan"],
    &["explain"],
    &["fixed"],
    &["ffi"],
];

const LONGEST_FILE: usize = 500;

#[test]
fn imports_go_one_way() {
    let faults: Vec<String> = sources("src").iter().flat_map(import_faults).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn unsafe_stays_in_ffi() {
    let faults: Vec<String> = sources("src").iter().filter_map(unsafe_fault).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn files_are_small() {
    for source in sources("src") {
        let lines = source.text.lines().count();
        assert!(lines <= LONGEST_FILE, "{}: {lines} lines", source.name());
    }
}

#[test]
fn the_library_depends_on_two_crates() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert_eq!(dependencies(&manifest), ["heapless", "libm"]);
}

#[test]
fn no_test_is_skipped() {
    for source in sources("tests").into_iter().chain(sources("src")) {
        let tokens = tokens(&source.text);
        assert!(!tokens.windows(3).any(|w| w == ["#", "[", "ignore"]), "{}", source.name());
    }
}

/// The checks above see what they are there for.
#[test]
fn planted_violations_are_found() {
    let faults = |path: &str, text: &str| import_faults(&Source::new(path, text));
    for (path, text) in [
        ("base/keys.rs", "use crate::problem::Problem;"), // upward
        ("compat/policy.rs", "use crate::dispatch::Batch;"), // sideways
        ("problem/mod.rs", "use crate::placement::Placement;"), // to the next row
        ("plan.rs", "fn f() { crate::ffi::eplb_version(); }"), // inline
        ("compat/pack/lpt.rs", "use super::super::super::plan::plan;"), // by way of super
        ("compat/mod.rs", "use {crate::base, super::{base, plan::x}};"), // in a group
        ("score/mod.rs", "use crate::{base::keys, plan};"), // in a group, second
        ("base/arena.rs", "mod tests { use super::super::super::plan::plan; }"), // out of an inline module
        ("status.rs", "use crate::Status;"), // past the table, by the root
        ("compat/mod.rs", "use crate::novel::Thing;"), // not in the table
        ("novel.rs", "use crate::status::Status;"), // not in the table either
        ("status.rs", "use crate::*;"),      // everything
    ] {
        assert!(!faults(path, text).is_empty(), "not found in {path}: {text}");
    }
    for (path, text) in [
        ("plan.rs", "use crate::afresh::{self, Way}; use super::status::Status;"),
        ("compat/pack/lpt.rs", "use super::{Packed, Scratch}; use crate::base::keys::sort;"),
        ("compat/pack/lpt.rs", "use crate::compat::pack::Packed;"),
        (
            "balanced/one_load/road.rs",
            "use super::row::Row; use super::super::layer; use super::{exact, row};",
        ),
        ("balanced/layer.rs", "use super::one_load; use crate::groups::search::{self, assign};"),
        (
            "base/keys.rs",
            "mod heap { use super::ascending; fn f() { super::super::super::status::Status::Ok; } }",
        ),
        (
            "base/keys.rs",
            "/// [`crate::plan`]\n// crate::plan\nconst TEXT: &str = \"crate::plan\";",
        ),
        ("status.rs", "pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::status) fn h() {}"),
        ("placement/check.rs", "use crate::problem::Shape;"),
        ("lib.rs", "pub use crate::plan::plan;"),
    ] {
        assert_eq!(faults(path, text), [""; 0], "{path}: {text}");
    }
    assert!(unsafe_fault(&Source::new("base/keys.rs", "fn f() { unsafe {} }")).is_some());
    assert!(
        unsafe_fault(&Source::new("base/keys.rs", "#![deny(unsafe_code)] // no unsafe")).is_none()
    );
    assert!(unsafe_fault(&Source::new("ffi/mod.rs", "unsafe fn f() {}")).is_none());
    let manifest = "[dependencies]\nlibm = 1\n[target.'cfg(unix)'.dependencies]\nlibc = 1\n[dependencies.rand]\n";
    assert_eq!(dependencies(manifest), ["libm", "libc", "rand"]);
}

/// A file of the crate; its path is relative to the folder it was found in.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Source { path: path.into(), text: text.into() }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// `a/b.rs` is the module a::b, `a/mod.rs` is a, `lib.rs` the root.
    fn module(&self) -> Vec<String> {
        let path = self.path.with_extension("");
        let mut module: Vec<String> =
            path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.last().is_some_and(|last| last == "mod" || last == "lib") {
            module.pop();
        }
        module
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder.
fn sources(folder: &str) -> Vec<Source> {
    fn walk(base: &Path, folder: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(base, &path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path: path.strip_prefix(base).unwrap().into(), text });
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &root().join(folder), &mut found);
    assert!(!found.is_empty(), "no Rust file in {folder}");
    found
}

fn row_of(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// The arrows of a file that do not go down the table.
fn import_faults(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(from) = module.first() else {
        return Vec::new(); // the root re-exports whatever it likes
    };
    let Some(row) = row_of(from) else {
        return vec![format!("{}: `{from}` is not in the import table", source.name())];
    };
    let wrong = |to: &String| to != from && row_of(to).is_none_or(|above| above >= row);
    let faults = imports(&module, &source.text).into_iter().filter(wrong);
    faults.map(|to| format!("{}: `{from}` may not import `{to}`", source.name())).collect()
}

/// The top-level modules that the paths of a file lead to; `*` and names of the root among them.
fn imports(module: &[String], text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut found = Vec::new();
    let mut inside = module.to_vec(); // where we are, inline modules included
    let mut opened = Vec::new(); // the depths at which the inline modules began
    let mut depth = 0;
    for at in 0..tokens.len() {
        match token(at) {
            "{" => {
                depth += 1;
                if at >= 2 && token(at - 2) == "mod" {
                    inside.push(token(at - 1).to_string());
                    opened.push(depth);
                }
            }
            "}" => {
                if opened.last() == Some(&depth) {
                    opened.pop();
                    inside.pop();
                }
                depth -= 1;
            }
            // the start of a path: what comes after another `::` is part of one already seen
            first @ ("crate" | "super")
                if token(at + 1) == "::" && (at == 0 || token(at - 1) != "::") =>
            {
                let mut base = if first == "crate" { 0 } else { inside.len().saturating_sub(1) };
                let mut next = at + 2;
                while token(next) == "super" && token(next + 1) == "::" {
                    base = base.saturating_sub(1);
                    next += 2;
                }
                match inside.first() {
                    Some(top) if base > 0 => found.push(top.clone()),
                    _ => found.extend(heads(&tokens[next..])),
                }
            }
            _ => {}
        }
    }
    found
}

/// The first names of what follows a path's `::`: one, or those of a group.
fn heads(tokens: &[String]) -> Vec<String> {
    if tokens.first().is_none_or(|token| token != "{") {
        return tokens.first().cloned().into_iter().collect();
    }
    let mut heads = Vec::new();
    let mut depth = 0;
    for pair in tokens.windows(2) {
        match pair[0].as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (pair[0] == "{" || pair[0] == ",") && pair[1] != "}" {
            heads.push(pair[1].clone());
        }
    }
    heads
}

fn unsafe_fault(source: &Source) -> Option<String> {
    let allowed = source.path.starts_with("ffi");
    let found = tokens(&source.text).iter().any(|token| token == "unsafe");
    (found && !allowed).then(|| format!("{}: unsafe outside src/ffi/", source.name()))
}

/// Names of the dependencies that end up in the library, build dependencies included.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut listed = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let (_, last) = section.rsplit_once('.').unwrap_or(("", section));
            listed = last == "dependencies" || last == "build-dependencies";
            if section.starts_with("dependencies.") {
                names.push(last);
            }
        } else if let Some((name, _)) = line.split_once('=').filter(|_| listed) {
            names.push(name.trim());
        }
    }
    names
}

/// Names, `::` and single characters; comments, strings, character literals and blanks are left out.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            string_end(rest)
        } else if first == '\'' {
            // a character literal; a lifetime is a lone quote before a name
            let literal = if rest.starts_with("'\\") {
                rest.get(3..).and_then(|r| r.find('\'')).map(|n| n + 4)
            } else {
                rest.char_indices().nth(2).filter(|&(_, c)| c == '\'').map(|(at, _)| at + 1)
            };
            literal.unwrap_or(1)
        } else if is_name(first) {
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            tokens.push(rest[..end].to_string());
            end
        } else if rest.starts_with("::") {
            tokens.push("::".to_string());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[skip..];
    }
    tokens
}

/// Length of the string literal at the start of `text`.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}
