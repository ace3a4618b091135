//! The house keeps its shape: imports go down the table of docs/DESIGN.md ("The house"), which draws it, unsafe stays
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
    &["score", "batch", "options"],
    &["balanced", "transfers", "gate"],
    &["afresh"],
    &["rebalance"],
    &["plan"],
    &["explain"],
    &["fixed"],
    &["ffi"],
];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 60;
const MOST_ARGUMENTS: usize = 6;

#[test]
fn imports_go_one_way() {
    let faults: Vec<String> = sources("src").iter().flat_map(import_faults).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// docs/DESIGN.md draws the table above, row by row.
#[test]
fn the_design_draws_the_rows() {
    let page = fs::read_to_string(root().join("docs/DESIGN.md")).unwrap();
    for (number, row) in ROWS.iter().enumerate() {
        let drawn = |line: &str| {
            let mut words = line.split_whitespace();
            words.next() == Some(&number.to_string()) && row.iter().all(|r| words.next() == Some(r))
        };
        assert!(page.lines().any(drawn), "docs/DESIGN.md does not draw row {number}: {row:?}");
    }
}

#[test]
fn unsafe_stays_in_ffi() {
    let faults: Vec<String> = sources("src").iter().filter_map(unsafe_fault).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn files_and_functions_are_small() {
    let faults: Vec<String> = sources("src").iter().flat_map(size_faults).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn imports_make_no_circle() {
    let circles = circles(&sources("src"));
    let lines: Vec<String> = circles.iter().map(|circle| circle.join(" ")).collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
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
    let function = |text| functions(text).remove(0);
    let text =
        "pub fn f<T: Fn(u8, u8) -> u8>(a: &[T], (b, c): (u8, u8), d: [u8; 2],) -> u8 {\n  0\n}";
    let f = function(text);
    assert_eq!((f.lines, f.arguments, f.of_c), (3, 3, false));
    let f = function("unsafe extern \"C\" fn g(&self, x: HashMap<u8, u8>) {}");
    assert_eq!((f.lines, f.arguments, f.of_c), (1, 2, true));
    let long = format!("fn f() {{\n{}}}", "x();\n".repeat(LONGEST_FUNCTION));
    assert_eq!(size_faults(&Source::new("base/keys.rs", &long)).len(), 1);
    let many = "fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) {}";
    assert_eq!(size_faults(&Source::new("base/keys.rs", many)).len(), 1);
    assert_eq!(size_faults(&Source::new("base/keys.rs", &"\n".repeat(LONGEST_FILE + 1))).len(), 1);
    let files = |a, b| [Source::new("compat/mod.rs", a), Source::new("compat/lpt.rs", b)];
    assert_eq!(circles(&files("mod lpt; use lpt::lpt;", "use super::Packed;")).len(), 1);
    assert_eq!(
        circles(&files("mod lpt; use self::{lpt::{lpt, x}};", "use crate::compat::Packed;")).len(),
        1
    );
    assert!(circles(&files("mod lpt;", "use super::Packed;")).is_empty());
    assert!(circles(&files("mod lpt; use lpt::lpt;", "use crate::base::sort;")).is_empty());
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
    paths(module, text).into_iter().filter_map(|path| path.into_iter().next()).collect()
}

/// Every path of a file that begins with `crate`, `super` or `self`, from the root of the crate.
fn paths(module: &[String], text: &str) -> Vec<Vec<String>> {
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
            first @ ("crate" | "super" | "self")
                if token(at + 1) == "::" && (at == 0 || token(at - 1) != "::") =>
            {
                let up = |path: &[String]| path[..path.len().saturating_sub(1)].to_vec();
                let mut base = match first {
                    "crate" => Vec::new(),
                    "super" => up(&inside),
                    _ => inside.clone(),
                };
                let mut next = at + 2;
                while token(next) == "super" && token(next + 1) == "::" {
                    base = up(&base);
                    next += 2;
                }
                branches(&tokens, next, &base, &mut found);
            }
            _ => {}
        }
    }
    found
}

/// Adds what follows a path's `::`: one path, or those of a group. Answers where it ends.
fn branches(tokens: &[String], at: usize, base: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    if token(at) != "{" {
        let mut path = base.to_vec();
        if token(at) != "self" {
            path.push(token(at).to_string());
        }
        if token(at + 1) == "::" {
            return branches(tokens, at + 2, &path, found);
        }
        found.push(path);
        return at + 1;
    }
    let mut at = at + 1;
    while at < tokens.len() && token(at) != "}" {
        at = branches(tokens, at, base, found);
        while at < tokens.len() && token(at) != "," && token(at) != "}" {
            at += 1; // a name given by `as`
        }
        at += usize::from(token(at) == ",");
    }
    at + 1
}

/// Circles of files, by their modules: each is a list of modules that lead to one another.
fn circles(sources: &[Source]) -> Vec<Vec<String>> {
    let modules: Vec<Vec<String>> = sources.iter().map(Source::module).collect();
    let place = |path: &[String]| {
        (1..=path.len()).rev().find_map(|len| modules.iter().position(|m| *m == path[..len]))
    };
    let arrows: Vec<Vec<usize>> = sources
        .iter()
        .zip(&modules)
        .enumerate()
        .map(|(from, (source, module))| {
            let mut to: Vec<usize> =
                paths(module, &source.text).iter().filter_map(|path| place(path)).collect();
            to.extend(children(source, module, &modules));
            to.retain(|&to| to != from && !modules[from].is_empty());
            to
        })
        .collect();
    let reach = |from: usize| {
        let mut seen = vec![false; modules.len()];
        let mut open = arrows[from].clone();
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                open.extend(&arrows[at]);
            }
        }
        seen
    };
    let reached: Vec<Vec<bool>> = (0..modules.len()).map(reach).collect();
    let mut found: Vec<Vec<String>> = Vec::new();
    for (from, there) in reached.iter().enumerate() {
        let circle: Vec<String> = (0..modules.len())
            .filter(|&to| there[to] && reached[to][from])
            .map(|to| modules[to].join("::"))
            .collect();
        if !circle.is_empty() && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

/// The modules inside a module that its file names without saying from where.
fn children(source: &Source, module: &[String], modules: &[Vec<String>]) -> Vec<usize> {
    let tokens = tokens(&source.text);
    let name = |of: &Vec<String>| of.len() == module.len() + 1 && of.starts_with(module);
    let inside = (0..modules.len()).filter(|&of| name(&modules[of]));
    let named = |of: &usize| {
        let last = modules[*of].last().map_or("", String::as_str);
        tokens.windows(3).any(|w| w[1] == last && w[2] == "::" && w[0] != "::")
    };
    inside.filter(named).collect()
}

/// A function, as long as it is from `fn` to its last brace.
#[derive(Debug, PartialEq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
    arguments: usize,
    /// C calls it: its arguments are those of the header.
    of_c: bool,
}

fn functions(text: &str) -> Vec<Function> {
    let tokens = tokens_by_line(text);
    let token = |at: usize| tokens.get(at).map_or("", |(token, _)| token.as_str());
    let starts = (0..tokens.len()).filter(|&at| token(at) == "fn" && token(at + 1) != "(");
    let function = |at: usize| {
        let first = after_generics(&tokens, at + 2);
        let (arguments, mut end) = count_arguments(&tokens, first);
        while !["{", ";", ""].contains(&token(end)) {
            end += 1;
        }
        let mut depth = usize::from(token(end) == "{");
        while depth > 0 && end + 1 < tokens.len() {
            end += 1;
            depth += usize::from(token(end) == "{");
            depth -= usize::from(token(end) == "}");
        }
        let line = tokens[at].1;
        Function {
            name: token(at + 1).to_string(),
            line,
            lines: tokens.get(end).map_or(line, |&(_, line)| line) - line + 1,
            arguments,
            of_c: at > 0 && token(at - 1) == "extern",
        }
    };
    starts.map(function).collect()
}

/// Where the arguments begin.
fn after_generics(tokens: &[(String, usize)], mut at: usize) -> usize {
    let mut depth = 0;
    while let Some((token, _)) = tokens.get(at) {
        match token.as_str() {
            "<" => depth += 1,
            ">" if tokens[at - 1].0 != "-" => depth -= 1,
            "(" if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// How many arguments there are between the parentheses that open at `at`, and where these end.
fn count_arguments(tokens: &[(String, usize)], mut at: usize) -> (usize, usize) {
    let (mut depth, mut angles, mut arguments, mut empty) = (0, 0, 0, true);
    while let Some((token, _)) = tokens.get(at) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            "<" => angles += 1,
            ">" if tokens[at - 1].0 != "-" => angles -= 1,
            "," if depth == 1 && angles == 0 => {
                arguments += 1;
                empty = true;
                at += 1;
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            return (arguments + usize::from(!empty), at + 1);
        }
        empty &= depth == 1 && token == "(";
        at += 1;
    }
    (arguments, at)
}

/// What of a file is too long, or takes too much.
fn size_faults(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let file = (lines > LONGEST_FILE).then(|| format!("{}: {lines} lines", source.name()));
    let functions = functions(&source.text).into_iter().filter_map(|f| {
        let place = format!("{}:{}: {}", source.name(), f.line, f.name);
        if f.lines > LONGEST_FUNCTION {
            Some(format!("{place} has {} lines", f.lines))
        } else if f.arguments > MOST_ARGUMENTS && !f.of_c {
            Some(format!("{place} has {} arguments", f.arguments))
        } else {
            None
        }
    });
    file.into_iter().chain(functions).collect()
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
    tokens_by_line(text).into_iter().map(|(token, _)| token).collect()
}

/// The same with the line of each, from 1.
fn tokens_by_line(text: &str) -> Vec<(String, usize)> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
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
            tokens.push((rest[..end].to_string(), line));
            end
        } else if rest.starts_with("::") {
            tokens.push(("::".to_string(), line));
            2
        } else {
            if !first.is_whitespace() {
                tokens.push((first.to_string(), line));
            }
            first.len_utf8()
        };
        line += rest[..skip].matches('\n').count();
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
