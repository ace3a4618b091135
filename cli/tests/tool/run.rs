//! What the program prints, writes and returns.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::loads::{BAD_ROWS, HEADER};

/// Runs the tool with the words of `arguments`; what it writes goes to `folder`.
pub fn eplb(folder: &Path, arguments: &str) -> Output {
    eplb_in("C.UTF-8", folder, arguments)
}

fn eplb_in(locale: &str, folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_eplb"))
        .args(arguments.split_whitespace())
        .env("LC_ALL", locale)
        .env("CARGO_TARGET_DIR", "built")
        .current_dir(folder)
        .output()
        .unwrap()
}

/// What it prints when all is well.
fn prints(folder: &Path, arguments: &str) -> String {
    let output = eplb(folder, arguments);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The same, read as JSON.
fn json(folder: &Path, arguments: &str) -> Value {
    serde_json::from_str(&prints(folder, arguments)).unwrap()
}

/// A folder of its own for a test, empty.
pub fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Writes a trace of 3 experts.
fn write(folder: &Path, name: &str, rows: &str) {
    std::fs::write(folder.join(name), format!("{HEADER}{rows}")).unwrap();
}

/// The one line of a refusal, without the name of the program; nothing was printed or written.
pub fn refusal(folder: &Path, arguments: &str) -> String {
    let output = eplb(folder, arguments);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert_eq!(output.stdout, b"");
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    assert!(!folder.join("built").exists());
    line.strip_prefix("eplb: ").and_then(|line| line.strip_suffix('\n')).unwrap().to_string()
}

#[test]
fn refuses_a_bad_trace_in_one_line() {
    let folder = folder("bad_trace");
    for (rows, message) in BAD_ROWS {
        write(&folder, "bad.csv", rows);
        assert_eq!(refusal(&folder, "report bad.csv"), format!("bad.csv: {message}"));
    }
    assert!(refusal(&folder, "report none.csv").starts_with("none.csv: "));
    assert!(refusal(&folder, "plan .").starts_with(".: "));
}

#[test]
fn refuses_what_the_library_refuses_in_words_of_its_own() {
    let folder = folder("bad_shape");
    for (arguments, words) in [
        ("--slots 0", "--slots is 0: "),
        ("--gpus 0", "--gpus is 0: "),
        ("--slots 287", "--slots is 287, no multiple of --gpus, 32: "),
        ("--slots 224", "GPUs that are alive have room for 224 experts"),
        ("--groups 12", "the number of experts is 256, no multiple of --groups, 12"),
        ("--nodes 33", "--nodes is 33, --gpus is 32: "),
        // auto would be global, and BALANCED takes any number of groups a node
        (
            "--nodes 3 --scope hierarchical --policy deepseek",
            "--groups is 8, no multiple of --nodes, 3",
        ),
    ] {
        for command in ["report", "plan"] {
            let said = refusal(&folder, &format!("{command} {arguments}"));
            assert!(said.starts_with(words), "{arguments}: {said}");
        }
        let said = prints(&folder, &format!("explain {arguments}"));
        assert!(said.starts_with(words), "{arguments}: {said}");
    }
    // the value that is wrong, in the trace's own layers
    write(&folder, "t.csv", "a,0,1,2,0\na,1,3,3e38,0\n");
    let said = refusal(&folder, "report t.csv --slots 4 --gpus 2 --policy deepseek");
    assert!(said.starts_with("loads[window 0][layer 1][expert 1] is 3e38"), "{said}");
}

const TWO_GPUS: &str = "--slots 4 --gpus 2 --scope global";

#[test]
fn plans_draws_and_exports() {
    let folder = folder("whole");
    write(&folder, "t.csv", "a,0,9,2,1\na,1,1,1,1\nb,0,0,0,0\nb,1,5,1,1\n");
    let report = |more: &str| prints(&folder, &format!("report t.csv {TWO_GPUS} {more}"));
    let plan = |more: &str| {
        prints(&folder, &format!("plan t.csv {TWO_GPUS} --out out/plan.json {more}"));
        let file = std::fs::read(folder.join("out/plan.json")).unwrap();
        let value: Value = serde_json::from_slice(&file).unwrap();
        // whatever the form, it is read again
        let judged = json(&folder, &format!("evaluate out/plan.json t.csv {TWO_GPUS} --json"));
        assert_eq!(judged["windows"][0]["layers"].as_array().unwrap().len(), 2);
        assert_eq!(judged["windows"][1]["layers"][0], 1.0, "no load is balanced");
        value
    };
    let rows = |value: &Value| -> Vec<Vec<u64>> { serde_json::from_value(value.clone()).unwrap() };

    let out = report("");
    assert!(out.contains("t: 2 windows, 2 layers, 3 experts"), "{out}");
    assert!(out.lines().any(|line| line.starts_with("overall ")), "{out}");
    let svg = std::fs::read_to_string(folder.join("built/demo/balance.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"));
    assert!(report("--policy all").lines().any(|line| line.starts_with("deepseek ")));

    // expert 0 has two replicas in both layers, whichever window counts
    let file = plan("--dense-layers 1");
    assert_eq!(file.as_object().unwrap().len(), 1, "SGLang takes no other key");
    let map = rows(&file["physical_to_logical_map"]);
    assert_eq!(map[0], [0, 1, 2, 0], "a dense layer");
    assert_eq!(map.len(), 3);
    for row in &map[1..] {
        let mut sorted = row.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 0, 1, 2]);
    }
    assert_eq!(rows(&plan("--engine vllm")), map[1..]);
    let file = plan("--engine vllm-ascend");
    assert_eq!(file["moe_layer_count"], 2);
    for (layer, row) in map[1..].iter().enumerate() {
        let layer = &file["layer_list"][layer];
        assert_eq!(layer["device_count"], 2);
        let devices = layer["device_list"].as_array().unwrap();
        let slots = devices.iter().flat_map(|d| d["device_expert"].as_array().unwrap());
        assert_eq!(slots.map(|slot| slot.as_u64().unwrap()).collect::<Vec<_>>(), *row);
    }
}

#[test]
fn plans_for_all_windows_and_not_for_their_sum() {
    let folder = folder("windows");
    // on the sum, 21 : 20 : 20, any expert may have the second copy; in the windows one of 0 and 1 needs it more
    write(&folder, "t.csv", "a,0,20,1,10\nb,0,1,19,10\n");
    let out = json(&folder, "plan t.csv --slots 6 --gpus 2 --scope global --json");
    assert_eq!(out["balance"], 1.0, "{out}");
    let out = prints(&folder, "plan t.csv --slots 6 --gpus 2 --policy deepseek");
    assert!(out.contains("one placement for all windows"), "{out}");
}

#[test]
fn starts_from_a_placement_and_says_what_travels() {
    let folder = folder("moves");
    write(&folder, "a.csv", "a,0,9,2,1\na,1,9,2,1\n");
    write(&folder, "b.csv", "b,0,1,2,9\nb,1,1,2,9\n");
    prints(&folder, &format!("plan a.csv {TWO_GPUS} --out a.json"));
    let next = format!("plan b.csv {TWO_GPUS} --previous a.json --out b.json --engine vllm");
    let out = json(&folder, &format!("{next} --moves 1 --json"));
    assert_eq!(out["moved_slots"], 2, "one a layer");
    assert_eq!(out["physical_to_logical"].as_array().unwrap().len(), 2);
    assert!(prints(&folder, &format!("{next} --moves 1")).contains("1.0 slots of a layer change"));
    let out = prints(&folder, "transfers a.json b.json --gpus 2");
    assert!(out.starts_with("2 experts travel between GPUs, in 2 of 2 layers; 0 are"), "{out}");
    let out = json(&folder, "transfers a.json b.json --gpus 2 --json");
    assert_eq!((&out["moved"], &out["layers"][1]["rounds"]), (&2.into(), &1.into()));
    assert_eq!(out["transfers"][0]["expert"], 2);

    let said = refusal(&folder, "transfers a.json b.json --gpus 3");
    assert!(said.starts_with("--slots is 4, no multiple of --gpus, 3"), "{said}");
    for (name, text, why) in [
        ("x.json", "{", "x.json: EOF while parsing an object at line 1 column 1"),
        ("x.json", "{\"a\": 1}", "x.json: not a placement: a list of rows, or an object with "),
        ("x.json", "[[0, 1, 2, 0], [0, 1, 2.5, 0]]", "x.json: layer 1 is not a list of experts"),
        ("x.json", "[[0, 1, 2, 0], [0, 1, 2]]", "x.json: layer 1 has 3 slots, not 4"),
        ("x.json", "[[0, 1, 2, 0]]", "x.json: 1 layers, where a has 2"),
        (
            "x.json",
            "[[0, 1, 7, 0], [0, 1, 2, 0]]",
            "placement.physical_to_logical[layer 0][slot 2] is 7",
        ),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
        let said = refusal(&folder, &format!("evaluate x.json a.csv {TWO_GPUS}"));
        assert!(said.starts_with(why), "{said}");
    }
}

#[test]
fn sweeps_clusters() {
    let folder = folder("sweep");
    write(&folder, "t.csv", "a,0,9,2,1\nb,0,8,2,2\n");
    let out = json(&folder, "sweep t.csv --gpus 1,2 --spare 0,1 --expert-mb 10 --json");
    let clusters = out["clusters"].as_array().unwrap();
    let figure = |at: usize, name: &str| clusters[at][name].as_f64().unwrap();
    assert_eq!(clusters.len(), 4);
    assert_eq!(figure(0, "balance"), 1.0, "one GPU");
    assert_eq!((figure(2, "slots_per_gpu"), figure(3, "slots_per_gpu")), (2.0, 3.0));
    assert_eq!((figure(2, "bytes_per_gpu"), figure(3, "unseen")), (2e7, 1.0));
    // expert 0 has both spare slots of two GPUs: 4.5 + 2 and 4.5 + 1, 4 + 2 and 4 + 2
    let balance = (6.0 / 6.5 + 1.0) / 2.0;
    assert!((figure(2, "balance") - balance).abs() < 1e-9 && figure(2, "bound") >= balance);
    assert!(
        std::fs::read_to_string(folder.join("built/demo/sweep.svg")).unwrap().ends_with("</svg>\n")
    );
    assert!(prints(&folder, "sweep t.csv --gpus 2").lines().count() > 6);
    // the busiest GPU holds 4.5 + 2 and then 4 + 2 of the tokens
    assert!((figure(2, "busiest_tokens") - 6.25).abs() < 1e-6 && clusters[2]["seconds"].is_null());
    assert!(figure(2, "unseen") >= figure(2, "unseen_deepseek"));
    let out = json(&folder, "sweep t.csv --gpus 1,2 --spare 0 --us-per-token 2e6 --json");
    assert!((out["clusters"][1]["seconds"].as_f64().unwrap() - 12.5).abs() < 1e-6);
    assert!(prints(&folder, "sweep t.csv --us-per-token 3").contains(" seconds "));
    let bad = eplb(&folder, "sweep t.csv --us-per-token -1");
    assert_eq!(bad.status.code(), Some(2));
    // one window: nothing is unseen
    write(&folder, "one.csv", "a,0,9,2,1\n");
    assert!(json(&folder, "sweep one.csv --gpus 2 --json")["clusters"][0]["unseen"].is_null());
}

#[test]
fn explains_what_it_would_do() {
    let folder = folder("explain");
    let out = json(&folder, "explain --json");
    assert_eq!((&out["possible"], &out["scope"]), (&true.into(), &"auto: hierarchical".into()));
    assert!(prints(&folder, "explain").contains("A plan can be made; its workspace is "));
    let out = json(&folder, "explain --slots 250 --json");
    assert_eq!(out["possible"], false);
}

/// The report of a trace with names that would break a page, without its planning times.
fn report(folder: &Path, more: &str) -> String {
    let name = r#"<i>"a&'b"#;
    let rows = |w: usize| format!("\"{}\",0,9,{w},1\n", name.replace('"', "\"\"") + &w.to_string());
    let trace: String = (0..4).map(rows).collect();
    std::fs::write(folder.join(format!("{name}.csv")), format!("{HEADER}{trace}")).unwrap();
    let cluster = "--slots 4 --gpus 2 --nodes 1 --groups 1 --html r.html --svg r.svg";
    prints(folder, &format!("report {name}.csv {cluster} {more}"));
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
        ("--policy all", ["<h3>Policies</h3>", ">hybrid_argmax</th>"]),
        ("--windows 2", ["the 2 windows before", "planned from nothing"]),
        ("--policy deepseek", ["deepseek plans a single window", "worst window"]),
    ] {
        let page = report(&folder, more);
        check_elements(&page);
        assert_eq!(page, report(&folder, more), "the same input, another page");
        assert_eq!(
            page.matches("<svg class=\"chart").count(),
            3 + 2 * 8,
            "heat 2, scale; wide and narrow drift, hottest, balance, moves 2, sweep 3"
        );
        let always = ["Unseen balance", "Replicas of the hottest", "spare slots, and which GPUs"];
        let names = ["Load of every GPU", "&lt;i&gt;&quot;a&amp;&#39;b"];
        for part in parts.into_iter().chain(always).chain(names) {
            assert!(page.contains(part), "{part} is not in the report: {more}");
        }
        let alone = page.replace("http://www.w3.org/2000/svg", "");
        for word in ["<script", "<img", "http", "url(", "@import", "src=", "NaN", "inf", "<i>"] {
            assert!(!alone.contains(word), "{word} is in the report: {more}");
        }
    }
    let figures = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
    };
    // the line to beat, in the page and beside it; a cost makes seconds of loads
    let page = report(&folder, "--us-per-token 5000");
    assert!(page.contains("DEEPSEEK") && page.contains(" ms") && page.contains("href=\"r.json\""));
    let data = figures("r.json");
    let of = |line: &str, figure: &str| data["unseen"][line][figure].as_f64().unwrap();
    assert!(of("plan", "balance") >= of("deepseek", "balance"));
    assert!(of("deepseek", "balance") > of("in_order", "balance"));
    assert!((of("plan", "seconds") - 5e-3 * of("plan", "busiest_tokens")).abs() < 1e-9);
    let strategies = data["unseen"]["strategies"].as_array().unwrap();
    let recipe = strategies.iter().find(|s| s["strategy"] == "robust, since change").unwrap();
    let balance: Vec<f64> = serde_json::from_value(recipe["balance"].clone()).unwrap();
    let tokens = balance.iter().zip(10..14).map(|(of, all)| f64::from(all) / 2.0 / of / 4.0);
    assert!((of("plan", "busiest_tokens") - tokens.sum::<f64>()).abs() < 1e-6, "two GPUs, a layer");
    assert_eq!(
        (&data["hottest"][0]["expert"], &data["hottest"][0]["replicas"]),
        (&0.into(), &2.into())
    );
    assert_eq!(data["layers"][0]["layer"], 0);
    assert_eq!(data["sweep"].as_array().unwrap().len(), 12);
    report(&folder, "--us-per-token 5000");
    assert_eq!(data, figures("r.json"), "the same input, other figures");
    // the same colours in every picture: DEEPSEEK's line, and experts in order
    for (colour, least) in [("#CC79A7", 3), ("#D55E00", 3), ("#0072B2", 4)] {
        assert!(page.matches(colour).count() >= least, "{colour}");
    }
    // one window: nothing to drift to and nothing to move for
    write(&folder, "one.csv", "a,0,0,0,0\n");
    prints(&folder, "report one.csv --slots 4 --gpus 2 --html one.html --svg r.svg");
    let page = std::fs::read_to_string(folder.join("one.html")).unwrap();
    check_elements(&page);
    assert!(!page.contains("Drift") && !page.contains("NaN") && page.contains("Load of every GPU"));
}

/// Of models of which it is known what a step takes.
#[test]
fn reports_from_how_many_tokens_on_copies_pay() {
    let folder = folder("crossing");
    let report = |more: &str| {
        prints(&folder, &format!("report --html r.html --svg r.svg {more}"));
        let page = std::fs::read_to_string(folder.join("r.html")).unwrap();
        check_elements(&page);
        let data: Value =
            serde_json::from_slice(&std::fs::read(folder.join("r.json")).unwrap()).unwrap();
        let points = data["crossing"].as_array().unwrap().clone();
        assert_eq!(page.contains("From how many tokens on copies pay"), !points.is_empty());
        points
    };
    let points = report("");
    let figure = |at: usize, name: &str| points[at][name].as_f64().unwrap();
    for (at, point) in points.iter().enumerate() {
        let [none, even, planned] =
            ["no_copies_us", "plan_for_tokens_us", "in_seconds_us"].map(|name| figure(at, name));
        assert!(planned <= 1.001 * none.min(even), "{point}");
    }
    assert!(figure(1, "plan_for_tokens_us") > 1.05 * figure(1, "no_copies_us"));
    let last = points.len() - 1;
    assert!(figure(last, "in_seconds_us") < 0.95 * figure(last, "no_copies_us"));
    assert!(report("--slots 256").is_empty(), "there is no room for copies");
}

#[test]
fn shows_layers_in_letters_that_the_terminal_has() {
    let folder = folder("letters");
    write(&folder, "t.csv", "a,0,8,1,1\na,1,1,1,1\n");
    for (locale, lines) in
        [("C.UTF-8", ["before  ▅▆", "after   ██"]), ("C", ["before  67", "after   99"])]
    {
        let output = eplb_in(locale, &folder, &format!("report t.csv {TWO_GPUS}"));
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
    write(&folder, "c.csv", "a,1,6,6,2\n");
    let cluster = format!("{TWO_GPUS} --svg r.svg");
    let out = prints(&folder, &format!("replay a.csv b.csv --windows 3 {cluster}"));
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
    let out = json(&folder, &format!("replay a.csv b.csv --windows 3 {cluster} --json"));
    assert_eq!(out["strategies"][0]["balance"].as_array().unwrap().len(), 9);

    let order = "--order leave-one-out --policy deepseek";
    let out = prints(&folder, &format!("replay a.csv {order} {cluster}"));
    assert!(out.contains("planned on the other 5 windows"), "{out}");
    let single =
        |line: &str| line.starts_with("robust ") && line.ends_with("plans a single window");
    assert!(out.lines().any(single), "{out}");

    let refused = |more: &str| refusal(&folder, &format!("replay {more} {cluster}"));
    assert_eq!(
        refused("a.csv c.csv"),
        "c.csv: the layers and experts are not those of the traces before: 1, 3"
    );
    let few = "windows are too few for this replay";
    assert_eq!(refused("a.csv --order time --windows 6"), format!("a: 6 {few}"));
    assert_eq!(refused("c.csv --order leave-one-out"), format!("c: 1 {few}"));
    assert_eq!(refused("c.csv"), "c: one window is too few for a replay");
}

#[test]
fn exports_no_duplicates_to_an_engine_that_cannot_hold_them() {
    let folder = folder("duplicates");
    write(&folder, "t.csv", "a,0,6,6,2\n"); // 1 2 | 0 0
    let plan = "plan t.csv --policy deepseek --out p.json --engine vllm-ascend";
    let said = refusal(&folder, &format!("{plan} {TWO_GPUS}"));
    assert!(said.starts_with("GPU 1 holds expert 0 of layer 0 twice"), "{said}");
    assert!(!folder.join("p.json").exists());
}

#[test]
fn plans_generated_loads() {
    let out = prints(&folder("generated"), "report");
    assert!(out.contains("4 windows, 58 layers, 256 experts"), "{out}");
    assert!(out.contains("(8 groups, 4 nodes)"), "{out}");
}
