//! The generated parts of a page: what stands between `<!-- begin generated: NAME -->` and
//! `<!-- end generated: NAME -->`. The rest is written by hand and stays.

/// The page with every block filled by `block(NAME)`; an error where a marker is left open or a name is unknown.
pub fn fill(page: &str, block: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    const BEGIN: &str = "<!-- begin generated: ";
    const CLOSE: &str = " -->\n";
    let (mut filled, mut rest) = (String::new(), page);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(CLOSE).ok_or("a marker is not closed")?;
        let end = format!("<!-- end generated: {name}{CLOSE}");
        let (_, after) = after.split_once(&end).ok_or(format!("block {name} has no end"))?;
        let text = block(name).ok_or(format!("nothing generates a block {name}"))?;
        filled += &format!("{before}{BEGIN}{name}{CLOSE}{}\n{end}", text.trim_end());
        rest = after;
    }
    Ok(filled + rest)
}
