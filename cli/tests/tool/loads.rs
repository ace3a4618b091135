//! What the trace reader lets through and what it says of the rest, and that generated loads are as skewed as they
//! claim to be.

use std::path::Path;

use crate::generate;
use crate::trace::Trace;

pub const HEADER: &str = "window,layer,expert_0,expert_1,expert_2\n";

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
pub const BAD_ROWS: [(&str, &str); 18] = [
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
