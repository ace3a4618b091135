//! The demo: what its trace reader lets through and what it says of the rest, what the program prints,
//! writes and returns, and that generated loads are as skewed as they claim to be.

use crate::generate;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::trace::Trace;
use serde_json::Value;

const HEADER: &str = "window,layer,expert_0,expert_1,expert_2\n";

fn parse(text: &str) -> Result<Trace, String> {
    Trace::parse(Path::new("t.csv"), text.as_bytes()).map_err(|e| e.to_string())
}

#[test]
fn reads_rows_in_any_order() {
    let rows = "b,4,7,8,9\na,4,4,5,6\r\n\"b\",3,1e1,11.5, 12\na,3,1,2,3";
    let trace = parse(&format!("{HEADER}{rows}")).unwrap();
    assert_eq!(trace.source, "t");
    assert_eq!(trace.windows, ["b", "a"]);
    assert_eq!(trace.layers, [3, 4]);
    assert_eq!(trace.experts, 3);
    assert_eq!(trace.window(0), [10.0, 11.5, 12.0, 7.0, 8.0, 9.0]);
    assert_eq!(trace.window(1), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(trace.total(), [11.0, 13.5, 15.0, 11.0, 13.0, 15.0]);
}

/// What follows the header, and what is said of it.
const BAD_ROWS: [(&str, &str); 18] = [
    ("", "row 2, column 1: there are no rows below the header"),
    ("\r\n", "row 3, column 1: there are no rows below the header"),
    ("a,0,1,2\n", "row 2, column 5: the row ends after 4 of 5 columns"),
    ("a,0,1,2,3\r\na\r\n", "row 3, column 2: the row ends after 1 of 5 columns"),
    ("a,0,1,2,3,4\n", "row 2, column 6: the row has 6 columns, the header 5"),
    ("a,0,1,two,3\n", "row 2, column 4: \"two\" is not a number"),
    ("a,0,1,,3\n", "row 2, column 4: \"\" is not a number"),
    ("a,0,1,\"2\n2\",3\n", "row 2, column 4: \"2\\n2\" is not a number"),
    ("a,0,1,\u{fffd}\x07,3\n", "row 2, column 4: \"\u{fffd}\\u{7}\" is not a number"),
    ("a,0,1,2,3\na,1,1,2,-3\n", "row 3, column 5: the count \"-3\" is negative"),
    ("a,0,NaN,2,3\n", "row 2, column 3: \"NaN\" is not a finite number"),
    ("a,0,1,2,inf\n", "row 2, column 5: \"inf\" is not a finite number"),
    ("a,0,1e39,2,3\n", "row 2, column 3: \"1e39\" is not a finite number"),
    ("a,-1,1,2,3\n", "row 2, column 2: \"-1\" is not the number of a layer"),
    ("a,0.5,1,2,3\n", "row 2, column 2: \"0.5\" is not the number of a layer"),
    (
        "a,0,1,2,3\nb,0,1,2,3\na,0,1,2,3\n",
        "row 4, column 2: layer 0 of window \"a\" is already in row 2",
    ),
    // as many layers, but not the same
    (
        "a,0,1,2,3\na,1,1,2,3\nb,0,1,2,3\nb,2,1,2,3\n",
        "row 2, column 2: window \"a\", which begins here, has no row for layer 2",
    ),
    // fewer layers
    (
        "a,0,1,2,3\na,1,1,2,3\n\nb,1,1,2,3\n",
        "row 5, column 2: window \"b\", which begins here, has no row for layer 0",
    ),
];

#[test]
fn says_what_is_wrong_with_a_row_and_where() {
    for (rows, message) in BAD_ROWS {
        assert_eq!(parse(&format!("{HEADER}{rows}")), Err(format!("t.csv: {message}")), "{rows:?}");
    }
}

#[test]
fn says_what_is_wrong_with_a_header() {
    for (text, message) in [
        ("", "column 1: the header says \"\" where it should say \"window\""),
        ("0,0,1,2\n", "column 1: the header says \"0\" where it should say \"window\""),
        ("window,layer\n", "column 3: the header says \"\" where it should say \"expert_0\""),
        (
            "window,layer,expert_1,expert_0\n",
            "column 3: the header says \"expert_1\" where it should say \"expert_0\"",
        ),
    ] {
        assert_eq!(parse(text), Err(format!("t.csv: row 1, {message}")), "{text:?}");
    }
}

/// Runs the example as built, which `cargo test` and `make test` do; picture and placement go to `folder`.
fn demo(folder: &Path, arguments: &[&str]) -> Output {
    demo_in("C.UTF-8", folder, arguments)
}

fn demo_in(locale: &str, folder: &Path, arguments: &[&str]) -> Output {
    let test = std::env::current_exe().unwrap(); // target/<profile>/deps/demo-<hash>
    let program = test.ancestors().nth(2).unwrap().join("examples/demo");
    assert!(program.exists(), "{}: run `cargo build --example demo` first", program.display());
    Command::new(program)
        .args(arguments)
        .env("LC_ALL", locale)
        .env("CARGO_TARGET_DIR", "built")
        .current_dir(folder)
        .output()
        .unwrap()
}

/// A folder of its own for a test, empty.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// The one line of a refusal, without the name of the program; nothing was printed or written.
fn refusal(folder: &Path, arguments: &[&str]) -> String {
    let output = demo(folder, arguments);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert_eq!(output.stdout, b"");
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    assert!(!folder.join("built").exists());
    line.strip_prefix("demo: ").and_then(|line| line.strip_suffix('\n')).unwrap().to_string()
}

#[test]
fn refuses_a_bad_trace_in_one_line() {
    let folder = folder("bad_trace");
    for (rows, message) in BAD_ROWS {
        std::fs::write(folder.join("bad.csv"), format!("{HEADER}{rows}")).unwrap();
        assert_eq!(refusal(&folder, &["--trace", "bad.csv"]), format!("bad.csv: {message}"));
    }
    assert!(refusal(&folder, &["--trace", "none.csv"]).starts_with("none.csv: "));
    assert!(refusal(&folder, &["--trace", "."]).starts_with(".: "));
}

#[test]
fn refuses_what_the_library_refuses_in_its_words() {
    let folder = folder("bad_shape");
    for (arguments, words) in [
        (["--slots", "0"], "problem.num_physical_experts is 0: "),
        (["--gpus", "0"], "problem.num_gpus is 0: "),
        (
            ["--slots", "287"],
            "problem.num_physical_experts is 287, no multiple of problem.num_gpus, 32: ",
        ),
        (["--slots", "224"], "GPUs that are alive have room for 224 experts"),
        (["--groups", "12"], "problem.num_logical_experts is 256, no multiple of num_groups, 12"),
        (["--nodes", "33"], "problem.num_nodes is 33, problem.num_gpus is 32: "),
    ] {
        let said = refusal(&folder, &arguments);
        assert!(said.starts_with(words), "{arguments:?}: {said}");
    }
    // auto would be global, and BALANCED takes any number of groups a node
    let forced = ["--nodes", "3", "--scope", "hierarchical", "--policy", "deepseek"];
    assert!(
        refusal(&folder, &forced)
            .starts_with("problem.num_groups is 8, no multiple of num_nodes, 3")
    );

    // the value that is wrong, in the trace's own layers
    std::fs::write(folder.join("t.csv"), format!("{HEADER}a,0,1,2,0\na,1,3,3e38,0\n")).unwrap();
    let cluster = ["--trace", "t.csv", "--slots", "4", "--gpus", "2", "--nodes", "1"];
    let said =
        refusal(&folder, &[&cluster[..], &["--groups", "1", "--policy", "deepseek"]].concat());
    assert!(said.starts_with("problem.load[window 0][layer 1][expert 1] is 3e38"), "{said}");
}

#[test]
fn plans_draws_and_exports() {
    let folder = folder("whole");
    let trace = format!("{HEADER}a,0,9,2,1\na,1,1,1,1\nb,0,0,0,0\nb,1,5,1,1\n");
    std::fs::write(folder.join("t.csv"), trace).unwrap();
    let cluster = ["--trace", "t.csv", "--slots", "4", "--gpus", "2", "--scope", "global"];
    let run = |more: &[&str]| {
        let output = demo(&folder, &[&cluster, more].concat());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let rows = |value: &Value| -> Vec<Vec<u64>> { serde_json::from_value(value.clone()).unwrap() };
    let written = || -> Value {
        serde_json::from_slice(&std::fs::read(folder.join("out/plan.json")).unwrap()).unwrap()
    };

    let out = run(&["--out", "out/plan.json", "--dense-layers", "1"]);
    assert!(out.contains("t: 2 windows, 2 layers, 3 experts"), "{out}");
    assert!(out.lines().any(|line| line.starts_with("overall ")), "{out}");
    let svg = std::fs::read_to_string(folder.join("built/demo/balance.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"));

    // the sum of the windows is 9 2 1 and 6 2 2; expert 0 has two replicas in both layers
    let file = written();
    assert_eq!(file.as_object().unwrap().len(), 1, "SGLang takes no other key");
    let map = rows(&file["physical_to_logical_map"]);
    assert_eq!(map[0], [0, 1, 2, 0], "a dense layer");
    assert_eq!(map.len(), 3);
    for row in &map[1..] {
        let mut sorted = row.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 0, 1, 2]);
    }

    run(&["--out", "out/plan.json", "--engine", "vllm"]);
    assert_eq!(rows(&written()), map[1..]);

    run(&["--out", "out/plan.json", "--engine", "vllm-ascend"]);
    let file = written();
    assert_eq!(file["moe_layer_count"], 2);
    for (layer, row) in map[1..].iter().enumerate() {
        let layer = &file["layer_list"][layer];
        assert_eq!(layer["device_count"], 2);
        let devices = layer["device_list"].as_array().unwrap();
        let slots = devices.iter().flat_map(|d| d["device_expert"].as_array().unwrap());
        assert_eq!(slots.map(|slot| slot.as_u64().unwrap()).collect::<Vec<_>>(), *row);
    }

    let out = run(&["--policy", "all"]);
    assert!(out.lines().any(|line| line.starts_with("deepseek ")), "{out}");
}

/// The report of a trace with names that would break a page, without its planning times.
fn report(folder: &Path, more: &str) -> String {
    let name = r#"<i>"a&'b"#;
    let rows = |w: usize| format!("\"{}\",0,9,{w},1\n", name.replace('"', "\"\"") + &w.to_string());
    let trace: String = (0..4).map(rows).collect();
    std::fs::write(folder.join(format!("{name}.csv")), format!("{HEADER}{trace}")).unwrap();
    let trace = format!("{name}.csv");
    let cluster = "--slots 4 --gpus 2 --nodes 1 --groups 1 --html r.html --svg r.svg";
    let arguments = ["--trace", &trace].into_iter().chain(cluster.split(' '));
    let output = demo(folder, &arguments.chain(more.split_whitespace()).collect::<Vec<_>>());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(folder.join("r.html")).unwrap();
    let mut pieces = page.split("class=\"time\">");
    let first = pieces.next().unwrap().to_string();
    pieces.fold(first, |page, piece| page + ">" + &piece[piece.find('<').unwrap()..])
}

/// Every element of a page is closed, in the order that it should be.
fn check_elements(page: &str) {
    let mut open = Vec::new();
    for tag in page.split('<').skip(1).map(|tag| tag.split_once('>').expect("a tag ends").0) {
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
            None if ["!doctype", "meta", "link"].contains(&name) || tag.ends_with('/') => (),
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn reports_in_one_page_that_needs_nothing_else() {
    let folder = folder("report");
    for (more, parts) in [
        ("", ["Balance of each layer", "robust, since change"]),
        ("--policy all", ["<h2>Policies</h2>", ">hybrid_argmax</th>"]),
        ("--replay time --windows 2", ["the 2 windows before", "planned from nothing"]),
        ("--policy deepseek", ["deepseek plans a single window", "worst window"]),
    ] {
        let page = report(&folder, more);
        check_elements(&page);
        assert_eq!(page, report(&folder, more), "the same input, another page");
        assert_eq!(
            page.matches("<svg class=\"chart").count(),
            7,
            "heat 2, scale, balance, drift, moves 2"
        );
        for part in parts.into_iter().chain(["Load of every GPU", "&lt;i&gt;&quot;a&amp;&#39;b"]) {
            assert!(page.contains(part), "{part} is not in the report: {more}");
        }
        let alone = page.replace("http://www.w3.org/2000/svg", "");
        for word in ["<script", "<img", "http", "url(", "@import", "src=", "NaN", "inf", "<i>"] {
            assert!(!alone.contains(word), "{word} is in the report: {more}");
        }
    }
    // one window: nothing to drift to and nothing to move for
    std::fs::write(folder.join("one.csv"), format!("{HEADER}a,0,0,0,0\n")).unwrap();
    let one = "--trace one.csv --slots 4 --gpus 2 --nodes 1 --groups 1 --html one.html --svg r.svg";
    assert!(demo(&folder, &one.split(' ').collect::<Vec<_>>()).status.success());
    let page = std::fs::read_to_string(folder.join("one.html")).unwrap();
    check_elements(&page);
    assert!(!page.contains("Drift") && !page.contains("NaN") && page.contains("Load of every GPU"));
}

#[test]
fn shows_layers_in_letters_that_the_terminal_has() {
    let folder = folder("letters");
    std::fs::write(folder.join("t.csv"), format!("{HEADER}a,0,8,1,1\na,1,1,1,1\n")).unwrap();
    let arguments =
        "--trace t.csv --slots 4 --gpus 2 --scope global".split(' ').collect::<Vec<_>>();
    for (locale, lines) in
        [("C.UTF-8", ["before  ▅▆", "after   ██"]), ("C", ["before  67", "after   99"])]
    {
        let output = demo_in(locale, &folder, &arguments);
        let out = String::from_utf8(output.stdout).unwrap();
        for line in lines {
            assert!(out.lines().any(|found| found == line), "{line}: {out}");
        }
        assert!(!out.contains('\x1b'), "colour");
        assert_eq!(output.stderr, b"", "a progress bar without a terminal");
    }
}

#[test]
fn replays_traces_that_follow_each_other() {
    let folder = folder("replay");
    let file = |name: &str, hot: usize| {
        let mut text = HEADER.to_string();
        for window in 0..6 {
            let mut load = [3 + window % 2, 2, 2];
            load[hot] = 20;
            text += &format!("{window},0,{},{},{}\n", load[0], load[1], load[2]);
        }
        std::fs::write(folder.join(name), text).unwrap();
    };
    file("a.csv", 0);
    file("b.csv", 2);
    std::fs::write(folder.join("c.csv"), format!("{HEADER}a,1,6,6,2\n")).unwrap();
    let cluster = "--slots 4 --gpus 2 --scope global --svg r.svg --html r.html";
    let run = |more: &str| {
        let arguments: Vec<&str> = cluster.split(' ').chain(more.split(' ')).collect();
        let output = demo(&folder, &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };

    let out = run("--trace a.csv,b.csv --replay time --windows 3");
    assert!(out.contains("a, b: 12 windows, 1 layer, 3 experts"), "{out}");
    // settled, the window of the change, after it, settled
    assert!(out.lines().any(|line| line.ends_with("3-5        6      7-8     9-11")), "{out}");
    let figures = |name: &str| -> Vec<f64> {
        let line = out.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().map(|figure| figure.parse().unwrap()).collect()
    };
    let last = figures("last window ");
    assert_eq!(last.len(), 6);
    assert!(last[1] == last[3] && last[3] < last[4], "nobody foresaw the change: {last:?}");
    let svg = std::fs::read_to_string(folder.join("r.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"));

    let out = run("--trace a.csv --replay leave-one-out --policy deepseek");
    assert!(out.contains("planned on the other 5 windows"), "{out}");
    let single =
        |line: &str| line.starts_with("robust ") && line.ends_with("plans a single window");
    assert!(out.lines().any(single), "{out}");

    let refused = |more: &str| {
        let arguments: Vec<&str> = cluster.split(' ').chain(more.split(' ')).collect();
        refusal(&folder, &arguments)
    };
    assert_eq!(
        refused("--trace a.csv,c.csv"),
        "c.csv: the layers and experts are not those of the traces before: 1, 3"
    );
    assert_eq!(
        refused("--trace a.csv --replay time --windows 6"),
        "a: 6 windows are too few for this replay"
    );
    assert_eq!(
        refused("--trace c.csv --replay leave-one-out"),
        "c: 1 windows are too few for this replay"
    );
    assert!(refused("--trace a.csv --replay time --policy all").contains("one policy"));
}

#[test]
fn exports_no_duplicates_to_an_engine_that_cannot_hold_them() {
    let folder = folder("duplicates");
    std::fs::write(folder.join("t.csv"), format!("{HEADER}a,0,6,6,2\n")).unwrap(); // 1 2 | 0 0
    let arguments =
        "--trace t.csv --slots 4 --gpus 2 --scope global --policy deepseek --out p.json --engine";
    let mut arguments: Vec<&str> = arguments.split(' ').collect();
    arguments.push("vllm-ascend");
    let output = demo(&folder, &arguments);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(line.starts_with("demo: GPU 1 holds expert 0 of layer 0 twice"), "{line}");
    assert!(!folder.join("p.json").exists());
}

#[test]
fn plans_generated_loads() {
    let output = demo(&folder("generated"), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("4 windows, 58 layers, 256 experts"), "{out}");
}

#[test]
fn generated_loads_are_repeatable_and_as_skewed_as_the_real_ones() {
    let trace = generate::deepseek_v3(1);
    assert_eq!(trace, generate::deepseek_v3(1));
    assert_ne!(trace.load, generate::deepseek_v3(2).load);
    assert_eq!(trace.load.len(), trace.windows.len() * trace.layers.len() * trace.experts);
    for window in 0..trace.windows.len() {
        let mut skews: Vec<f32> = trace
            .window(window)
            .chunks(trace.experts)
            .map(|load| {
                let largest = load.iter().fold(0.0, |most: f32, &load| most.max(load));
                largest * load.len() as f32 / load.iter().sum::<f32>()
            })
            .collect();
        skews.sort_unstable_by(f32::total_cmp);
        let median = skews[skews.len() / 2];
        assert!((4.5..=7.5).contains(&median), "{}: {median}", trace.windows[window]);
    }
}
