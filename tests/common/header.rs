//! The C header, for the example that writes it and the test that compares it: cbindgen translates the items of the
//! sources, `include/eplb.h.in` has their order and the text around them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a file with items of the C face has in it. cbindgen is given these alone.
const MARKS: [&str; 4] = ["pub const EPLB_", "pub enum eplb_", "pub struct eplb_", "\" fn eplb_"];

/// No line is longer, but for what stands so in the template.
const WIDTH: usize = 120;

/// Where the header is.
pub fn path() -> PathBuf {
    root().join("include/eplb.h")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The header as the sources say it should be. A line `@ name name ..` of the template is where these items stand;
/// each item stands somewhere.
pub fn generate() -> Vec<u8> {
    let mut items = items(&translated());
    let template = fs::read_to_string(root().join("include/eplb.h.in")).expect("the template");
    let mut header = String::new();
    for line in template.lines() {
        match line.strip_prefix("@ ") {
            Some(names) => {
                let named: Vec<Item> = names
                    .split(' ')
                    .map(|name| {
                        items.remove(name).unwrap_or_else(|| panic!("{name}: no such item"))
                    })
                    .collect();
                header += &placed(&named);
            }
            None => header = header + line + "\n",
        }
    }
    assert!(items.is_empty(), "include/eplb.h.in does not name {:?}", items.keys());
    header.into_bytes()
}

/// The items in cbindgen's words and order.
fn translated() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    let thread = std::thread::current().id();
    let folder = std::env::temp_dir().join(format!("eplb_{}_{thread:?}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder of its own");
    for (number, source) in sources(&root().join("src")).iter().enumerate() {
        if MARKS.iter().any(|mark| source.contains(mark)) {
            let file = folder.join(format!("{number}.rs"));
            fs::write(&file, expanded(source)).expect("space");
            builder = builder.with_src(file);
        }
    }
    let mut items = Vec::new();
    builder.generate().expect("cbindgen").write(&mut items);
    fs::remove_dir_all(&folder).expect("the folder");
    String::from_utf8(items).expect("text")
}

/// The text of every source in a folder.
fn sources(folder: &Path) -> Vec<String> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("src").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let text = |path: &PathBuf| match path.is_dir() {
        true => sources(path),
        false => vec![fs::read_to_string(path).expect("text")],
    };
    paths.iter().flat_map(text).collect()
}

/// What `function!` of src/ffi/function.rs makes of its blocks, as far as the header needs it: cbindgen knows no macros.
fn expanded(source: &str) -> String {
    let mut plain = String::new();
    let mut rest = source;
    while let Some((before, block)) = rest.split_once("\nfunction! {\n") {
        let (block, after) = block.split_once("\n}\n").expect("the end of the block");
        let (function, names) = block.split_once(" -> i32;\n").expect("a status");
        let (docs, signature) = function.split_once("pub unsafe extern").expect("a function");
        let name = &signature[signature.find("eplb_").unwrap()..signature.find('(').unwrap()];
        let explain = names.trim().split(' ').nth(1).expect("a name");
        let explained = signature.replacen(name, explain, 1);
        let explained = explained.trim_end_matches([')', ' ', '\n', ',']);
        plain += &format!(
            "{before}\n{docs}#[unsafe(no_mangle)]\npub unsafe extern{signature} -> i32 {{}}\n\
             /// Explains a call of {name}.\n#[unsafe(no_mangle)]\n\
             pub unsafe extern{explained}, text: *mut core::ffi::c_char, size: usize) -> usize {{}}\n"
        );
        rest = after;
    }
    (plain + rest).lines().filter(|line| !is_module(line)).map(|line| format!("{line}\n")).collect()
}

/// Whether a file of its own is named, which is looked at anyway.
fn is_module(line: &str) -> bool {
    line.ends_with(';') && line.split(' ').any(|word| word == "mod")
}

/// A constant, enum, struct or function.
struct Item {
    docs: Vec<String>,
    /// Its declaration; of an enum or struct the line that begins it.
    head: String,
    /// Of an enum or struct: declaration and docs of what is in it.
    rows: Vec<(String, Vec<String>)>,
}

/// By name; constants of the core are left out. An item ends with an empty line.
fn items(translated: &str) -> BTreeMap<String, Item> {
    let mut items = BTreeMap::new();
    for block in translated.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let mut lines = block.lines().peekable();
        let docs = docs(&mut lines);
        let body: Vec<&str> = lines.collect();
        let first = body[0];
        let (name, head) = if let Some(constant) = first.strip_prefix("#define ") {
            (constant.split(' ').next().unwrap(), first.to_string())
        } else if let Some(name) = first.strip_prefix("enum ") {
            let kind = body.iter().find_map(|line| line.strip_prefix("  : ")).expect("its type");
            (name, format!("EPLB_ENUM({name}, {kind}) {{"))
        } else if let Some(name) = first.strip_prefix("typedef struct ") {
            (name.trim_end_matches(" {"), first.to_string())
        } else {
            let name = first.split('(').next().unwrap().rsplit([' ', '*']).next().unwrap();
            let words: Vec<&str> = body.iter().flat_map(|line| line.split_whitespace()).collect();
            // an argument stays together
            let arguments = words.join(" ").replace("struct ", "").replace(' ', "\x01");
            (name, arguments.replace(",\x01", ", "))
        };
        let rows = if head.ends_with('{') { rows(&body[1..]) } else { Vec::new() };
        if name.to_lowercase().starts_with("eplb_") {
            items.insert(name.to_string(), Item { docs, head, rows });
        }
    }
    items
}

/// The comment that begins here.
fn docs<'a>(lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Vec<String> {
    let mut docs = Vec::new();
    while let Some(line) = lines.next_if(|line| line.trim_start().starts_with("//")) {
        let text = line.trim_start().trim_start_matches('/');
        docs.push(text.strip_prefix(' ').unwrap_or(text).to_string());
    }
    docs
}

/// Fields or values, up to the brace that ends them.
fn rows(body: &[&str]) -> Vec<(String, Vec<String>)> {
    let mut rows = Vec::new();
    let mut lines = body.iter().copied().take_while(|line| !line.starts_with('}')).peekable();
    while lines.peek().is_some() {
        let docs = docs(&mut lines);
        let row = lines.next().expect("what the comment is for");
        if row.starts_with("  ") && row.ends_with([';', ',']) {
            rows.push((row.replace("struct ", ""), docs));
        }
    }
    rows
}

/// Items of one line of the template: several constants are a table.
fn placed(items: &[Item]) -> String {
    if let [Item { head, .. }, _, ..] = items
        && head.starts_with('#')
    {
        return table(items.iter().map(|item| (item.head.as_str(), item.docs.as_slice())));
    }
    items.iter().map(one).collect::<Vec<String>>().join("\n")
}

fn one(item: &Item) -> String {
    let docs = format!("/* {} */\n", item.docs.join("\n   ")).replace("   \n", "\n");
    let Some(name) = item.head.strip_suffix(" {") else {
        let open = item.head.find('(').filter(|_| !item.head.starts_with('#'));
        let lines =
            open.map_or(vec![item.head.clone()], |open| wrapped(&item.head, WIDTH, open + 1));
        return docs + &lines.join("\n").replace('\x01', " ") + "\n";
    };
    let end = match name.strip_prefix("typedef struct ") {
        Some(name) => format!("}} {name};\n"),
        None => "};\n".to_string(),
    };
    let rows = item.rows.iter().map(|(row, docs)| (row.as_str(), docs.as_slice()));
    docs + &item.head + "\n" + &table(rows) + &end
}

/// Declarations to the left, what they are to the right.
fn table<'a>(rows: impl Iterator<Item = (&'a str, &'a [String])> + Clone) -> String {
    let column = rows.clone().map(|(row, _)| row.len()).max().unwrap_or(0) + 1;
    let mut table = String::new();
    for (row, docs) in rows {
        let text = format!("{row:column$}/* {} */", docs.join(" "));
        table += &(wrapped(&text, WIDTH, column + 3).join("\n") + "\n");
    }
    table
}

/// Breaks at spaces behind the indentation, which the lines that follow get.
fn wrapped(text: &str, width: usize, indentation: usize) -> Vec<String> {
    let mut lines = vec![text[..indentation].to_string()];
    for word in text[indentation..].split(' ') {
        let line = lines.last_mut().unwrap();
        // what ends a comment stays with the last word
        let end = if text.ends_with(&format!("{word} */")) { 3 } else { 0 };
        if line.len() + 1 + word.len() + end > width && word != "*/" {
            lines.push(" ".repeat(indentation) + word);
        } else {
            let space = if line.len() > indentation { " " } else { "" };
            *line += &format!("{space}{word}");
        }
    }
    lines
}
