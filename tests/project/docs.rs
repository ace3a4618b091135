//! The documents keep their word: every command in them is one that CI runs or says why not, every link leads
//! somewhere, every snippet is compiled, and the counts they name are those of the header.
//!
//! For each Markdown file of the project:
//! - a block of ```sh holds commands. Each must be reached from `.ci/run` (through the Makefiles), have a stand-in
//!   (`common/ci.rs`), need a trace (which is not part of the project), or stand behind `# not run in CI: REASON`;
//! - `make x` in the running text names a target that there is, `cargo test --test library x` a test that there is,
//!   `tests/x.rs::y` a function in that file;
//! - a block of ```c follows a paragraph that begins with "From [a file](..)" and is in that file, line by line
//!   (but for indentation); the same for other languages whose paragraph begins so. A file with a block of ```rust
//!   is among the doc tests at the end of src/lib.rs.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::ci::{Ci, read, root};

const MARK: &str = "# not run in CI:";

/// Words, as `wc -w` counts them, that a page may have, and all pages together.
const MOST_WORDS: [(&str, usize); 3] =
    [("README.md", 1_400), ("CONTRIBUTING.md", 1_200), ("all pages", 35_000)];

#[test]
fn documents_keep_their_word() {
    let project = Project::read();
    let documents = documents();
    assert!(documents.len() >= 10, "only {} documents found", documents.len());
    let faults: Vec<String> = documents.iter().flat_map(|d| d.faults(&project)).collect();
    assert!(faults.is_empty(), "\n{}\n{} faults", faults.join("\n"), faults.len());
    let counted: usize = documents.iter().map(|d| d.counts(&project).len()).sum();
    assert!(
        counted >= 3,
        "the counts of the header are named {counted} times: is the search blind?"
    );
}

/// Pages that are too long are not read.
#[test]
fn pages_are_short() {
    let mut pages = files(&[".md"]);
    assert_eq!(too_long(&pages), [""; 0]);
    // and the count sees what it is there for
    pages.push(("docs/PLANTED.md".into(), "word ".repeat(35_000)));
    assert_eq!(too_long(&pages).len(), 1);
    pages.push(("README.md".into(), "| a |\n".repeat(500)));
    assert_eq!(too_long(&pages).len(), 2);
}

fn too_long(pages: &[(String, String)]) -> Vec<String> {
    let words = |name: &str| -> usize {
        let of = pages.iter().filter(|(path, _)| name == "all pages" || path == name);
        of.map(|(_, text)| text.split_whitespace().count()).sum()
    };
    let faults = MOST_WORDS.iter().filter(|(name, most)| words(name) > *most);
    faults.map(|(name, most)| format!("{name}: {} words, at most {most}", words(name))).collect()
}

/// Whoever adds a policy finds every place that lists them.
#[test]
fn contributing_names_every_file_that_knows_the_policies() {
    let page = read("CONTRIBUTING.md");
    let mut known = 0;
    for (path, text) in files(&[".rs", ".c", ".h", ".hpp", ".cpp", ".py", ".sh"]) {
        // this file, and what is made of others
        if path == "tests/project/docs.rs"
            || !text.to_lowercase().replace('_', "").contains("waterfillfixup")
        {
            continue;
        }
        assert!(page.contains(&format!("`{path}`")), "CONTRIBUTING.md does not name {path}");
        known += 1;
    }
    assert!(known > 10, "{known} files found: is the search blind?");
}

/// The check sees what it is there for.
#[test]
fn planted_faults_are_found() {
    let project = Project::read();
    let faults = |text: &str| Document::new("docs/PLANTED.md", text).faults(&project);
    for text in [
        "```sh\nrm -rf target\n```",                   // nobody runs it
        "```sh\nmake love\n```",                       // no such target
        "```sh\nmake clean\n```",                      // a target that CI does not reach
        "```sh\nmake lib clean\n```",                  // one of two
        "```sh\nmake -C fuzz love\n```",               // elsewhere
        "```sh\ncargo test --test library novel\n```", // no such test
        "```sh\nEPLB_LONG=1 cargo test --test project demo\n```", // not with that variable
        "```sh\n# not run in CI:\nrm x\n```",          // no reason
        "```sh\nrm x # not run in CI: why\nrm y\n```", // of one line only
        "```bash\ntrue\n```",                          // said otherwise
        "```\ntrue\n```",                              // not said
        "[x](nowhere.md)",
        "[x](SPEC.md#nowhere)",
        "[x](#nowhere)",
        "[x](../../outside.md)",
        "`make love`",
        "`cargo test --release --test novel`",
        "`tests/novel.rs`",
        "`tests/library/bound.rs::novel`",
        "a C ABI of 16 functions",
        "70 status codes",
        "a status code of its own\n(7 of them)",
        "```c\nint x;\n```",
        "From [x](../examples/plan.c):\n\n```c\nint x_that_is_not_there;\n```",
        "```rust\nlet x = 1;\n```",
    ] {
        assert!(!faults(text).is_empty(), "not found: {text}");
    }
    for text in [
        "```sh\nmake test   # the tests\nmake fuzz SECONDS=9\nmake -C fuzz replay\ncargo fmt --all --check\n```",
        "```sh\ncargo test --release --test project docs -- --nocapture\ncargo test\n```",
        "```sh\nEPLB_LONG=1 cargo test --release --test library quality -- --nocapture\n```",
        "```sh\n# not run in CI: it takes a night\nrm x \\\n  y\nrm z\n```",
        "```sh\nEPLB_TRACE=a.csv cargo bench\nmake demo TRACE=a.csv,b.csv\n```",
        "[x](SPEC.md#the-ruler) [y](../README.md) [z](https://example.org) `[n](o)` `make test`",
        "# A `b` c, d-e!\n[x](#a-b-c-d-e)",
        "35 C functions, 78 status codes, each bad input a code of its own (77 of them)",
        "From [x](../examples/plan.c), which\nruns:\n\n```c\nint main(void) {\n```",
        "```text\nanything\n```",
    ] {
        assert_eq!(faults(text), [""; 0], "{text}");
    }
}

// --- a document ---------------------------------------------------------------------------------------------

struct Document {
    path: PathBuf, // from the root
    blocks: Vec<Block>,
    prose: Vec<String>, // the lines outside blocks; empty inside
}

/// A fenced block.
struct Block {
    line: usize,
    language: String,
    lines: Vec<String>,
    before: String, // the paragraph before it
}

impl Document {
    fn new(path: &str, text: &str) -> Self {
        let mut document = Document { path: path.into(), blocks: vec![], prose: vec![] };
        let mut open = false;
        let mut paragraph = String::new();
        let mut ended = false;
        for (line, text) in text.lines().enumerate() {
            let fence = text.trim_start().strip_prefix("```");
            document.prose.push(if open || fence.is_some() { String::new() } else { text.into() });
            match (fence, open) {
                (Some(language), false) => document.blocks.push(Block {
                    line: line + 1,
                    language: language.split([',', ' ']).next().unwrap_or_default().into(),
                    lines: vec![],
                    before: paragraph.clone(),
                }),
                (None, true) => document.blocks.last_mut().unwrap().lines.push(text.into()),
                (None, false) if text.trim().is_empty() => ended = true,
                (None, false) => {
                    if std::mem::take(&mut ended) {
                        paragraph.clear();
                    }
                    paragraph += text.trim_start();
                    paragraph.push(' ');
                }
                (Some(_), true) => ended = true,
            }
            open ^= fence.is_some();
        }
        document
    }

    fn faults(&self, project: &Project) -> Vec<String> {
        let mut faults = Vec::new();
        for block in &self.blocks {
            let found = match block.language.as_str() {
                "sh" => commands(&block.lines).filter_map(|c| project.ci.fault(&c)).collect(),
                "" | "bash" | "shell" | "console" => vec!["call it ```sh or ```text".to_string()],
                _ => self.snippet_fault(block, project).into_iter().collect(),
            };
            let place = format!("{}:{}", self.path.display(), block.line);
            faults.extend(found.into_iter().map(|fault| format!("{place}: {fault}")));
        }
        let prose = self.prose.iter().enumerate();
        for (line, fault) in prose.flat_map(|(i, text)| {
            let links = links(text).into_iter().filter_map(|link| self.link_fault(&link));
            let code = spans(text).into_iter();
            let code = code.filter_map(|code| project.ci.name_fault(code).or(path_fault(code)));
            links.chain(code).map(|fault| (i + 1, fault)).collect::<Vec<_>>()
        }) {
            faults.push(format!("{}:{line}: {fault}", self.path.display()));
        }
        for (phrase, said, is) in self.counts(project) {
            if said != is {
                faults.push(format!("{}: {phrase}: says {said}, is {is}", self.path.display()));
            }
        }
        faults
    }

    fn snippet_fault(&self, block: &Block, project: &Project) -> Option<String> {
        if block.language == "rust" {
            let include = format!("include_str!(\"../{}\")", self.path.display());
            let tested = project.library.contains(&include);
            return (!tested).then(|| format!("no doc test: src/lib.rs has no {include}"));
        }
        let from = block.before.starts_with("From [").then(|| links(&block.before));
        let Some(link) = from.and_then(|links| links.into_iter().next()) else {
            return (block.language == "c").then(|| {
                "a block of C says which compiled file it is from: \"From [file](..)\"".into()
            });
        };
        let file = fs::read_to_string(root().join(self.resolve(&link)?)).unwrap_or_default();
        let trimmed = |lines: &mut dyn Iterator<Item = &str>| {
            lines.map(|line| format!("{}\n", line.trim())).collect::<String>()
        };
        let quote = trimmed(&mut block.lines.iter().map(String::as_str));
        let found = format!("\n{}", trimmed(&mut file.lines())).contains(&format!("\n{quote}"));
        (!found).then(|| format!("not word for word in {link}"))
    }

    /// Where a relative link leads, from the root; `None` when outside.
    fn resolve(&self, link: &str) -> Option<PathBuf> {
        let mut path = PathBuf::new();
        for part in self.path.parent()?.join(link).components() {
            match part {
                Component::ParentDir => path.pop().then_some(())?,
                part => path.push(part),
            }
        }
        Some(path)
    }

    fn link_fault(&self, link: &str) -> Option<String> {
        if link.contains("://") || link.starts_with("mailto:") {
            return None;
        }
        let (file, anchor) = link.split_once('#').map_or((link, None), |(f, a)| (f, Some(a)));
        let path = if file.is_empty() { Some(self.path.clone()) } else { self.resolve(file) };
        let Some(path) = path.filter(|path| file.is_empty() || root().join(path).exists()) else {
            return Some(format!("the link leads nowhere: {link}"));
        };
        let here;
        let prose = if file.is_empty() {
            &self.prose
        } else {
            here = anchor.map(|_| fs::read_to_string(root().join(&path)).unwrap_or_default());
            &Document::new("", here.as_deref().unwrap_or_default()).prose
        };
        let is_there =
            anchor.is_none_or(|anchor| prose.iter().any(|l| slug(l) == Some(anchor.into())));
        (!is_there).then(|| format!("there is no such heading: {link}"))
    }

    /// The counts of the header that the document names: the phrase, what it says, what is.
    fn counts(&self, project: &Project) -> Vec<(&'static str, usize, usize)> {
        let text = self.prose.join(" ");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let phrases = [
            ("# status codes", project.statuses),
            ("code of its own (# of them)", project.statuses - 1), // OK is no refusal
            ("C ABI of # functions", project.functions),
            ("# C functions", project.functions),
        ];
        let mut found = Vec::new();
        for (phrase, is) in phrases {
            let (before, after) = phrase.split_once('#').unwrap();
            for (at, _) in text.match_indices(after) {
                let digits = text[..at].bytes().rev().take_while(u8::is_ascii_digit).count();
                let number = text[at - digits..at].parse();
                if let Ok(said) = number
                    && text[..at - digits].ends_with(before)
                {
                    found.push((phrase, said, is));
                }
            }
        }
        found
    }
}

/// The commands of a block: continued lines joined, comments and what is marked left out.
fn commands(lines: &[String]) -> impl Iterator<Item = String> {
    let text = lines.join("\n").replace("\\\n", " ");
    let mut marked = false;
    let mut commands = Vec::new();
    let reason = |line: &str| line.split_once(MARK).is_some_and(|(_, why)| !why.trim().is_empty());
    for line in text.lines().map(str::trim) {
        let command = line.split_once(" #").map_or(line, |(command, _)| command).trim();
        if line.starts_with('#') {
            marked |= reason(line); // holds to the end of the block
        } else if !command.is_empty() && !marked && !reason(line) {
            commands.extend(command.split(" && ").map(String::from));
        }
    }
    commands.into_iter()
}

/// Code that is a path from the root, or `path::name` of something in that file.
fn path_fault(code: &str) -> Option<String> {
    let folders =
        ["src/", "tests/", "c_tests/", "examples/", "benches/", "fuzz/", "docs/", "include/"];
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./-:".contains(c);
    folders.iter().find(|folder| code.starts_with(*folder)).filter(|_| code.chars().all(plain))?;
    let (path, name) = code.split_once("::").map_or((code, None), |(p, n)| (p, Some(n)));
    if !root().join(path).exists() {
        return Some(format!("there is no {path}"));
    }
    let name = name.filter(|name| !read(path).contains(&format!(" {name}(")))?;
    Some(format!("there is no {name} in {path}"))
}

/// The targets of the links of a line.
fn links(text: &str) -> Vec<String> {
    let outside: String = text.split('`').step_by(2).collect::<Vec<_>>().join("` `");
    let starts = outside.split("](").skip(1);
    starts.filter_map(|rest| Some(rest.split_once(')')?.0.to_string())).collect()
}

/// The code in a line of text.
fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The anchor of a heading, as GitHub makes it.
fn slug(line: &str) -> Option<String> {
    let title = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))?;
    let kept = title.trim().to_lowercase();
    let kept = kept.chars().filter(|&c| c.is_alphanumeric() || " -_".contains(c));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}

// --- what they are held against -----------------------------------------------------------------------------

struct Project {
    ci: Ci,
    library: String,
    statuses: usize,
    functions: usize,
}

impl Project {
    fn read() -> Self {
        let header = read("include/eplb.h");
        let starts = ["int32_t eplb_", "uint32_t eplb_", "size_t eplb_", "const char *eplb_"];
        Project {
            ci: Ci::read(),
            library: read("src/lib.rs"),
            statuses: header
                .lines()
                .filter(|l| l.contains("  EPLB_STATUS_") && l.contains(" = "))
                .count(),
            functions: header.lines().filter(|l| starts.iter().any(|s| l.starts_with(s))).count(),
        }
    }
}

/// Every Markdown file of the project.
fn documents() -> Vec<Document> {
    files(&[".md"]).iter().map(|(path, text)| Document::new(path, text)).collect()
}

/// The files of the project whose names end so, and what is in them.
fn files(ends: &[&str]) -> Vec<(String, String)> {
    fn walk(folder: &Path, ends: &[&str], found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = folder.join(&name);
            if entry.path().is_dir() {
                let skip =
                    name.starts_with('.') || ["target", "node_modules"].contains(&name.as_str());
                (!skip).then(|| walk(&path, ends, found));
            } else if ends.iter().any(|end| name.ends_with(end)) && !name.starts_with('.') {
                let text = fs::read_to_string(entry.path()).unwrap();
                found.push((path.to_str().unwrap().to_string(), text));
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(""), ends, &mut found);
    found
}
