//! What `.ci/run` runs, told from it and the Makefiles that it reaches, for the test of the documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// A command that CI does not run as it stands, the file that runs the like of it, and what that file says.
/// The variables of `make` do not matter.
const STAND_INS: &[(&str, &str, &str)] = &[
    ("make demo", "cli/browser.sh", "-p eplb-cli -- report"),
    ("make install", "c_tests/install.sh", "install PREFIX="),
    ("make bounds-update", "c_tests/bounds/bounds.sh", "compare"),
    ("make abi-update", "c_tests/abi/abi.sh", "compare"),
    ("cargo run --example header", "tests/project/header.rs", "header::generate()"),
    (
        "cc -Iinclude examples/plan.c target/release/libeplb.a -o plan",
        "c_tests/Makefile",
        "-I../include ../examples/plan.c $(ARCHIVE) -o $(BUILD)/plan",
    ),
    (
        "cc -std=c99 -Iinclude examples/firmware.c target/release/libeplb.a -o target/firmware_example",
        "c_tests/firmware/Makefile",
        "$(BUILD)/example: ../../examples/firmware.c",
    ),
    ("target/firmware_example", "c_tests/firmware/Makefile", "-o $@\n\t@$@\n"),
    ("echo planned", "c_tests/firmware/Makefile", "$(BUILD)/example: "),
    (
        "c++ -std=c++17 plan.cpp $(pkg-config --cflags --libs eplb) -o plan",
        "c_tests/install.sh",
        "c++ -std=c++17 plan.cpp $(pkg-config --cflags --libs eplb) -o plan",
    ),
    (
        "c++ -std=c++17 plan.cpp $(pkg-config --cflags eplb) $(pkg-config --variable=archive eplb) -o plan",
        "c_tests/install.sh",
        "c++ -std=c++17 plan.cpp $(pkg-config --cflags eplb) $(pkg-config --variable=archive eplb) -o plan",
    ),
    (
        "c++ -std=c++17 plan.cpp -I$PREFIX/include $PREFIX/lib/libeplb.a -o plan",
        "c_tests/install.sh",
        "c++ -std=c++17 plan.cpp -I$PREFIX/include $PREFIX/lib/libeplb.a -o plan",
    ),
    (
        "c++ -std=c++17 -O2 -pthread -Iinclude examples/engine.cpp target/release/libeplb.a -o engine",
        "c_tests/Makefile",
        "$(BUILD)/engine: ../examples/engine.cpp",
    ),
    ("./engine", "c_tests/Makefile", "@$(BUILD)/engine > "),
    (
        "mpirun --oversubscribe --mca btl self,vader -n 8 target/mpi/mpi",
        "c_tests/mpi.sh",
        "passes eight mpi 8",
    ),
    (
        "mpirun --oversubscribe --mca btl self,vader -n 8 target/mpi/mpi --shard",
        "c_tests/mpi.sh",
        "passes sharded mpi 8 --shard",
    ),
    (
        "pip install target/wheel/eplb-*.whl",
        "bindings/python/test.sh",
        "/pip\" install -q --no-deps",
    ),
    (
        "pip install target/wheel/eplb-*.whl target/wheel/eplb_vllm-*.whl",
        "bindings/python/test.sh",
        "/pip\" install -q --no-deps \"$target\"/wheel/eplb_*.whl",
    ),
    ("pip install ./bindings/python", "bindings/python/test.sh", "pip install ./bindings/python"),
    ("export PKG_CONFIG_PATH=$HOME/.local/lib/pkgconfig", "c_tests/install.sh", "PKG_CONFIG_PATH"),
    (
        "cc examples/plan.c $(pkg-config --cflags --libs eplb) -o plan",
        "c_tests/install.sh",
        "cc plan.c $(pkg-config --cflags --libs eplb) -o plan_shared",
    ),
    (
        "LD_LIBRARY_PATH=$HOME/.local/lib ./plan",
        "c_tests/install.sh",
        "LD_LIBRARY_PATH=$PREFIX/lib ./plan_shared",
    ),
];

/// What `.ci/run` runs, the recipes of the Makefiles that it reaches included.
#[derive(Default)]
pub struct Ci {
    commands: BTreeSet<String>,
    targets: BTreeSet<(String, String)>, // folder, target
}

impl Ci {
    pub fn read() -> Self {
        let mut ci = Ci::default();
        for line in read(".ci/run").lines().map(str::trim) {
            if let Some(command) = line.strip_prefix("step ") {
                ci.reach(".", command);
            } else if line.starts_with("aside \"") {
                line.split('"').skip(1).step_by(2).for_each(|command| ci.reach(".", command));
            }
        }
        assert!(ci.targets.len() > 10, ".ci/run is read wrongly: {:?}", ci.targets);
        ci
    }

    fn reach(&mut self, folder: &str, command: &str) {
        let command = command.trim_start_matches(['@', '-']).trim_start_matches("env ");
        let Some((base, targets)) = make(folder, command) else {
            self.commands.insert(command.split_whitespace().collect::<Vec<_>>().join(" "));
            return;
        };
        for target in targets {
            let Some((needs, recipe)) = rule(&base, &target) else { continue };
            if self.targets.insert((base.clone(), target)) {
                needs.iter().for_each(|need| self.reach(&base, &format!("make {need}")));
                recipe.iter().for_each(|line| self.reach(&base, line));
            }
        }
    }

    pub fn fault(&self, command: &str) -> Option<String> {
        let needs_trace = ["EPLB_TRACE=", "EPLB_TRACES=", " TRACE=", "--trace "];
        if needs_trace.iter().any(|word| command.contains(word)) || self.stands_in(command) {
            return None;
        }
        if let Some((folder, targets)) = make(".", command) {
            let unreached = |target: &&String| {
                let stands_in = folder == "." && self.stands_in(&format!("make {target}"));
                !stands_in && !self.targets.contains(&(folder.clone(), target.to_string()))
            };
            let target = targets.iter().find(unreached)?;
            return Some(format!("`make {target}` is not reached from .ci/run: {command}"));
        }
        let covered = self.commands.contains(command)
            || cargo_test(command).is_some_and(|asked| {
                let mut run = self.commands.iter().filter_map(|c| cargo_test(c));
                asked.1.iter().all(|t| exists(t))
                    && run.any(|run| {
                        run.0 == asked.0 && (run.1.is_empty() || asked.1.is_subset(&run.1))
                    })
            });
        (!covered).then(|| format!("CI does not run this, and it does not say so: {command}"))
    }

    fn stands_in(&self, command: &str) -> bool {
        // benchmarks and profiles are looked at by hand, most with a trace that is not part of the project
        let by_hand = command.contains("cargo bench") || command.starts_with("callgrind_annotate ");
        by_hand
            || STAND_INS
                .iter()
                .any(|(of, file, words)| *of == command && read(file).contains(words))
    }

    /// Code in running text: the targets and tests that it names are there.
    pub fn name_fault(&self, code: &str) -> Option<String> {
        if let Some((folder, targets)) = make(".", code) {
            let plain = |t: &&String| {
                t.bytes().all(|b| b.is_ascii_lowercase() || b"-_0123456789".contains(&b))
            };
            let missing = targets.iter().filter(plain).find(|t| rule(&folder, t).is_none())?;
            return Some(format!("there is no `make {missing}`: {code}"));
        }
        let missing = cargo_test(code)?.1.into_iter().find(|test| !exists(test))?;
        Some(format!("there is no tests/{missing}: {code}"))
    }
}

/// A call of make: the folder and the targets.
fn make(folder: &str, command: &str) -> Option<(String, Vec<String>)> {
    let mut words = command.split_whitespace();
    words.next().filter(|word| ["make", "$(MAKE)"].contains(word))?;
    let mut base = folder.to_string();
    let mut targets = Vec::new();
    while let Some(word) = words.next() {
        if word == "-C" {
            base = if folder == "." {
                words.next()?.into()
            } else {
                format!("{folder}/{}", words.next()?)
            };
        } else if !word.starts_with(['-', '\'', '"']) && !word.contains(['=', '$', '(']) {
            targets.push(word.to_string());
        }
    }
    Some((base, targets))
}

/// What a target needs, and its recipe; `None` when the folder's Makefile has no such target.
fn rule(folder: &str, target: &str) -> Option<(Vec<String>, Vec<String>)> {
    let text = fs::read_to_string(root().join(folder).join("Makefile")).ok()?;
    let mut text =
        text.replace("\\\n", " ").replace("$(CARGO)", "cargo").replace("$(TARGET)", "target");
    for line in text.clone().lines() {
        if let Some((name, words)) = line.split_once(" := ") {
            text = text.replace(&format!("$({name})"), words); // lists of targets
            let list = format!("$({name}:%=");
            while let Some((before, rest)) = text.split_once(&list) {
                let (pattern, after) = rest.split_once(')')?;
                let words = words.split_whitespace().map(|word| pattern.replace('%', word));
                text = format!("{before}{}{after}", words.collect::<Vec<_>>().join(" "));
            }
        }
    }
    let mut found: Option<(Vec<String>, Vec<String>)> = None;
    let mut inside = false;
    for line in text.lines() {
        if let Some(recipe) = line.strip_prefix('\t') {
            found.iter_mut().filter(|_| inside).for_each(|(_, lines)| lines.push(recipe.into()));
        } else if let Some((targets, needs)) =
            line.split_once(':').filter(|(_, n)| !n.starts_with('='))
        {
            inside = targets.split_whitespace().any(|t| t == target);
            if inside {
                let needs = needs.split('|').next()?.split_whitespace().map(String::from);
                found.get_or_insert_default().0.extend(needs);
            }
        } else if !line.starts_with('#') {
            inside &= line.starts_with("if") || line.starts_with("e"); // ifeq, else, endif in a recipe
        }
    }
    found
}

/// A call of `cargo test`: the variables before it, and the tests that it names, as crate/file; a crate alone is all of
/// its files.
fn cargo_test(command: &str) -> Option<(BTreeSet<String>, BTreeSet<String>)> {
    let mut words = command.split_whitespace();
    let variables = words.by_ref().take_while(|word| *word != "cargo").map(String::from).collect();
    (words.next() == Some("test")).then_some(())?;
    let (mut crates, mut files) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        if word == "--test" {
            crates.extend(words.next());
        } else if !word.starts_with('-') {
            files.extend(word.split("::").next());
        }
    }
    let [name] = crates[..] else {
        return Some((variables, crates.into_iter().map(String::from).collect()));
    };
    if files.is_empty() {
        return Some((variables, [name.to_string()].into()));
    }
    Some((variables, files.into_iter().map(|file| format!("{name}/{file}")).collect()))
}

fn exists(test: &str) -> bool {
    let file = if test.contains('/') { format!("{test}.rs") } else { format!("{test}/main.rs") };
    root().join("tests").join(file).exists()
}

/// The project that cargo is run in: `make break` runs a test that was compiled in another copy of it.
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    here.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
