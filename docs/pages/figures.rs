//! What was measured: the CSV files that benches/measure.sh leaves in a folder, a topic each.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs;
use std::path::Path;

/// A row of a topic, by the names of its columns.
pub struct Row(HashMap<String, String>);

impl Row {
    pub fn text(&self, column: &str) -> &str {
        self.0.get(column).map_or("", String::as_str)
    }

    pub fn number(&self, column: &str) -> f64 {
        self.text(column).parse().unwrap_or(f64::NAN)
    }
}

/// All topics, and what the demo printed, by itself and with `--scope global`.
pub struct Figures {
    topics: BTreeMap<String, Vec<Row>>,
    pub demo: String,
    pub demo_global: String,
}

impl Figures {
    pub fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut topics = BTreeMap::new();
        for name in ["about", "plan", "versus", "instructions", "dispatch", "quality", "seconds"] {
            let path = folder.join(name).with_extension("csv");
            let Ok(mut reader) = csv::Reader::from_path(&path) else { continue }; // not measured here
            topics.insert(
                name.to_string(),
                reader.deserialize().map(|row| row.map(Row)).collect::<Result<_, _>>()?,
            );
        }
        let read = |name| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let (demo, demo_global) = (read("demo.txt")?, read("demo-global.txt")?);
        Ok(Figures { topics, demo, demo_global })
    }

    /// The rows of a topic, none where it was not measured.
    pub fn rows(&self, topic: &str) -> &[Row] {
        self.topics.get(topic).map_or(&[], Vec::as_slice)
    }

    /// The first row whose columns say so.
    pub fn row(&self, topic: &str, keys: &[(&str, &str)]) -> Option<&Row> {
        self.rows(topic)
            .iter()
            .find(|row| keys.iter().all(|(column, text)| row.text(column) == *text))
    }

    /// A figure of that row; NaN, which nobody quotes by mistake, where there is none.
    pub fn number(&self, topic: &str, keys: &[(&str, &str)], column: &str) -> f64 {
        self.row(topic, keys).map_or(f64::NAN, |row| row.number(column))
    }

    /// A figure of a case and a policy.
    pub fn plan(&self, case: &str, policy: &str, column: &str) -> f64 {
        self.number("plan", &[("case", case), ("policy", policy)], column)
    }

    pub fn quality(&self, what: &str, case: &str, how: &str, column: &str) -> f64 {
        self.number("quality", &[("what", what), ("case", case), ("how", how)], column)
    }

    /// Values of a column of a topic, each once, in order of appearance.
    pub fn distinct(&self, topic: &str, column: &str) -> Vec<&str> {
        let mut found = Vec::new();
        for row in self.rows(topic) {
            if !found.contains(&row.text(column)) {
                found.push(row.text(column));
            }
        }
        found
    }

    /// What is known of the run: date, processor, loads.
    pub fn about(&self, what: &str) -> &str {
        self.row("about", &[("what", what)]).map_or("unknown", |row| row.text("text"))
    }

    /// Whether the loads are those of a real trace.
    pub fn real(&self) -> bool {
        self.about("loads") != "generated"
    }
}
