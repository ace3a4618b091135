//! Files of engines: read as torch, numpy and the engines mean them; wrong ones refused with the place.
//!
//! The .pt files are those of the Python package's tests: SGLang's recorder wrote sglang_*.pt, torch the others, numpy
//! expected.npz, which is what torch made of them.

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::slice::from_ref;

use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::readers::read_all;
use crate::run::folder;
use crate::trace::Trace;

pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bindings/python/tests/data")
}

/// Reads files, every step a window.
fn read(paths: &[PathBuf]) -> Result<Trace, String> {
    let read = read_all(paths, 1000).map_err(|error| error.to_string())?;
    Ok(read.expect("a path is given"))
}

/// A zip of records.
pub fn zipped(records: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in records {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// An array of numpy's format.
pub fn npy(descr: &str, fortran: bool, shape: &str, elements: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(elements);
    bytes
}

/// What torch.save writes for the pickle, with one record "a".
fn torch(pickle: &[u8], a: &[u8]) -> Vec<u8> {
    zipped(&[("archive/data.pkl", pickle), ("archive/data/a", a)], CompressionMethod::Stored)
}

/// The array `name` of expected.npz, read from a file of its own.
fn expected(folder: &Path, name: &str) -> Trace {
    let file = std::fs::read(data().join("expected.npz")).unwrap();
    let mut bytes = Vec::new();
    let mut zip = ZipArchive::new(Cursor::new(file)).unwrap();
    zip.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    let path = folder.join(format!("{name}.npy"));
    std::fs::write(&path, bytes).unwrap();
    read(&[path]).unwrap()
}

#[test]
fn reads_what_torch_wrote() {
    let folder = folder("torch");
    for (name, meant) in
        [("counts", "counts"), ("bfloat16", "counts"), ("uint16", "counts"), ("view", "view")]
    {
        let (is, meant) =
            (read(&[data().join(name).with_extension("pt")]).unwrap(), expected(&folder, meant));
        assert_eq!((&is.load, is.experts), (&meant.load, meant.experts), "{name}");
        assert_eq!((is.layers.len(), is.windows.len()), (meant.layers.len(), meant.windows.len()));
    }
}

#[test]
fn reads_what_sglang_recorded() {
    let folder = folder("sglang");
    let stat = expected(&folder, "stat");
    let counted = |trace: &Trace| -> Vec<f32> {
        let windows = (0..trace.windows.len()).map(|w| trace.window(w));
        windows.filter(|load| load.iter().any(|&x| x > 0.0)).flatten().copied().collect()
    };
    let path = data().join("sglang_stat.pt");
    let steps = read(from_ref(&path)).unwrap();
    assert_eq!(
        (steps.load.clone(), steps.windows.len()),
        (counted(&stat), 5),
        "the rest of its buffer is empty"
    );
    assert_eq!(steps.windows[4], "step 4");
    let two = read_all(from_ref(&path), 2).unwrap().unwrap();
    assert_eq!(two.windows, ["step 0 to 1", "step 2 to 4"]);
    assert_eq!(two.total(), steps.total());

    let ranks: Vec<PathBuf> =
        [1, 0].map(|rank| data().join(format!("sglang_per_token_{rank}.pt"))).to_vec();
    let (is, meant) = (read(&ranks).unwrap(), expected(&folder, "per_token"));
    assert_eq!(is.load, counted(&meant));
    assert!(read(&ranks[..1]).unwrap().load.iter().sum::<f32>() < is.load.iter().sum());
    let mixed = read(&[ranks[0].clone(), path.clone()]).unwrap_err();
    assert!(mixed.ends_with(
        "stat.pt: one file is of a rank of SGLang's recorder, another is not: give them alone"
    ));
    // all ranks are in it: one more is of a later time
    assert_eq!(read(&[path.clone(), path]).unwrap().windows.len(), 10);
}

#[test]
fn leaves_layers_without_experts_out() {
    let folder = folder("dense");
    let path = folder.join("a.json");
    std::fs::write(&path, r#"{"logical_count": [[[0, 0], [3, 4]], [[0, 0], [0, 1]]]}"#).unwrap();
    let trace = read(&[path]).unwrap();
    assert_eq!((&trace.layers[..], trace.dense), (&[1][..], Some(1)));
    assert_eq!(trace.load, [3.0, 4.0, 0.0, 1.0]);
}

/// A good file of each format of text, and of numpy's: of loads 1 2 3 / 4 5 6 in one window, and 0 1 0 / 0 0 2.
pub fn good() -> Vec<(&'static str, Vec<u8>)> {
    let snapshot = |step: u32, load: [[u32; 4]; 2]| {
        json!({ "step": step, "window_expert_load": load, "num_logical_experts": 3,
                "physical_to_logical_map": [[0, 1, 2, 1], [2, 1, -1, 0]] })
    };
    // slots to experts: 1 2 3 / 4 5 6 and 0 1 0 / 0 0 2
    let windows =
        [snapshot(10, [[1, 1, 3, 1], [6, 5, 9, 4]]), snapshot(20, [[0, 0, 0, 1], [2, 0, 0, 0]])];
    let [a, b] = &windows;
    let dump = json!({ "snapshots": windows, "num_logical_experts": 3 });
    let counts = [1, 2, 3, 4, 5, 6, 0, 1, 0, 0, 0, 2_u32];
    let elements: Vec<u8> = counts.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
    let in_fortran = [1, 0, 4, 0, 2, 1, 5, 0, 3, 0, 6, 2_i16];
    let in_fortran: Vec<u8> = in_fortran.iter().flat_map(|x| x.to_be_bytes()).collect();
    let plain = npy("<f8", false, "(2, 2, 3)", &elements);
    let other = npy("<f8", false, "(1,)", &elements[..8]);
    let csv =
        "window,layer,expert_0,expert_1,expert_2\na,0,1,2,3\na,1,4,5,6\nb,0,0,1,0\nb,1,0,0,2\n";
    vec![
        ("vllm.json", dump.to_string().into_bytes()),
        ("vllm.jsonl", format!("{a}\n{b}\n{a}\n").into_bytes()), // as two ranks that write the same step
        ("sglang.json", b"{\"logical_count\":\n [[[1,2,3],[4,5,6]],[[0,1,0],[0,0,2]]]}".to_vec()),
        ("windows.csv", csv.as_bytes().to_vec()),
        ("one.npz", zipped(&[("anything.npy", &plain)], CompressionMethod::Stored)),
        (
            "more.npz",
            zipped(&[("other.npy", &other), ("load.npy", &plain)], CompressionMethod::Deflated),
        ),
        ("fortran.npy", npy(">i2", true, "(2, 2, 3)", &in_fortran)),
    ]
}

#[test]
fn reads_text_and_tables() {
    let folder = folder("formats");
    for (name, bytes) in good() {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        let trace = read(&[path]).unwrap();
        assert_eq!(
            trace.load,
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0],
            "{name}"
        );
        assert_eq!((trace.windows.len(), &trace.layers[..], trace.experts), (2, &[0, 1][..], 3));
    }
}

#[test]
fn says_what_is_wrong_and_where() {
    let folder = folder("faults");
    for (name, text, words) in [
        (
            "a.json",
            "{\"logical_count\": [[1, 2],\n [3, }",
            "line 2, column 6: is no JSON: expected value",
        ),
        (
            "a.json",
            r#"{"logical_count": [[1, 2], [3]]}"#,
            "logical_count[1]: has shape [1], but [0] has [2]",
        ),
        (
            "a.json",
            r#"{"logical_count": [[1, 2], [3, "4"]]}"#,
            "logical_count[1][1]: is text, not a number",
        ),
        (
            "a.json",
            r#"{"logical_count": [[1, 2], [3, 1e999]]}"#,
            "line 1, column 36: is no JSON: number out of range",
        ),
        (
            "a.json",
            r#"{"logical_count": [[1, 2], [3, 1e39]]}"#,
            "logical_count[1][1]: is 1e39: loads are",
        ),
        (
            "a.json",
            r#"{"logical_count": [[1, 2], [3, -4]]}"#,
            "logical_count[1][1]: is -4: loads are",
        ),
        ("a.json", r#"{"logical_count": null}"#, "logical_count: is null, not a list of numbers"),
        ("a.json", r#"{"logical_count": [1, 2]}"#, "logical_count: has shape [2], not [L, E]"),
        ("a.json", r#"{"load": 1}"#, "has no records: it has load"),
        ("a.json", "[1]", "is a list, not an object"),
        ("a.json", r#"{"snapshots": []}"#, "snapshots: is empty"),
        (
            "a.json",
            r#"{"snapshots": [{"step": 1}]}"#,
            "snapshots[0]: has no window_expert_load: it has step",
        ),
        (
            "a.jsonl",
            "{\"step\": 1}\n{\"step\": 2, }",
            "line 2, column 13: is no JSON: trailing comma",
        ),
        (
            "a.jsonl",
            "{\"step\": 1}\n{\"step\": 2}",
            "line 1: has no window_expert_load: it has step",
        ),
        (
            "a.jsonl",
            r#"{"window_expert_load": [[1, 2]], "physical_to_logical_map": [[0, 7]], "num_logical_experts": 2}"#,
            "line 1.physical_to_logical_map[0][1]: is 7, no expert below 2",
        ),
        (
            "a.json",
            r#"{"snapshots": [{"window_expert_load": [[1, 2]], "physical_to_logical_map": [[0, 1, 2]]}]}"#,
            "snapshots[0].physical_to_logical_map: is [1, 3], the loads are [1, 2]",
        ),
        (
            "a.json",
            r#"{"records": [{"forward_pass_id": 1.5}], "last_physical_to_logical_map": [[0, 1]]}"#,
            "records[0].forward_pass_id: is a number, not a whole number from 0",
        ),
        ("a.pt", "\u{80}", "row 1, column 1: the header says"),
        ("a.pt", "PK\x03\x04 and no more", "is a damaged zip archive: "),
        ("a.npy", "", "row 1, column 1: the header says \"\""),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        let said = read(from_ref(&path)).unwrap_err();
        assert!(said.starts_with(&format!("{}: {words}", path.display())), "{text}: {said}");
        assert_eq!(said.lines().count(), 1);
    }
}

#[test]
fn says_what_is_wrong_with_arrays() {
    let folder = folder("arrays");
    let of = |name: &str, bytes: Vec<u8>| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        let said = read(from_ref(&path)).unwrap_err();
        said.strip_prefix(&format!("{}: ", path.display())).unwrap().to_string()
    };
    for (bytes, words) in [
        (npy("|O", false, "(1, 2)", b""), "holds \"|O\", not numbers"),
        (
            npy("<f8", false, "(1000000000000, 3)", b""),
            "says that it is [1000000000000, 3] of <f8, more than its 0 bytes",
        ),
        (npy("<f8", false, "(4294967296, 4294967296)", b"12345678"), "says that it is "),
        (npy("<f8", false, "(2)", &[0; 16]), "has shape [2], not [L, E]"),
        (npy("<f4", false, "(1, -2)", &[0; 8]), "header, byte "),
        (npy("<f4", false, "(1, 1)", &f32::NAN.to_le_bytes()), "[0][0]: is NaN: loads are finite"),
        (b"\x93NUMPY\x09\x00".to_vec(), "is of version [9, 0]"),
        (b"\x93NUMPY\x01\x00\x20\x00{".to_vec(), "ends in the header"),
    ] {
        let said = of("a.npy", bytes.clone());
        assert!(said.starts_with(words), "{said}");
        let said = of("a.npz", zipped(&[("load.npy", &bytes)], CompressionMethod::Deflated));
        assert!(
            said.contains(words) && said.contains("load.npy") || said.starts_with(words),
            "{said}"
        );
    }
    let bare = of("a.pt", b"\x80\x02}q\0.".to_vec());
    assert!(bare.starts_with("is a bare pickle, not the zip"), "{bare}");
    let none = of("a.npz", zipped(&[("a.npy", b""), ("b.npy", b"")], CompressionMethod::Stored));
    assert!(none.starts_with("which array? It has a.npy, b.npy; "), "{none}");
}

/// A record that says that it unpacks to much is refused before it is; one that says little is not unpacked further.
#[test]
fn unpacks_no_bombs() {
    let folder = folder("bombs");
    let path = folder.join("bomb.npz");
    let array = npy("<f8", false, "(4000, 10000)", &[0; 1 << 20]);
    let small = zipped(&[("load.npy", &array)], CompressionMethod::Deflated);
    let claims = |bytes: u32| {
        let (is, says) = ((array.len() as u32).to_le_bytes(), bytes.to_le_bytes());
        let mut bomb = small.clone();
        while let Some(at) = bomb.windows(4).position(|bytes| bytes == is) {
            bomb[at..at + 4].copy_from_slice(&says);
        }
        std::fs::write(&path, bomb).unwrap();
        read(from_ref(&path)).unwrap_err()
    };
    let said = claims(320_000_200);
    assert!(said.ends_with("load.npy: unpacks to 320000200 bytes, more than 268435456"), "{said}");
    let said = claims(1000);
    assert!(
        said.contains("load.npy: says that it is [4000, 10000] of <f8, more than its "),
        "{said}"
    );
}

fn text(word: &str) -> Vec<u8> {
    [b"X", &(word.len() as u32).to_le_bytes()[..], word.as_bytes()].concat()
}

/// A tensor of the storage "a", numbers of 16 bits.
fn tensor(shape: &[u8], stride: &[u8]) -> Vec<u8> {
    let storage = [
        b"(".to_vec(),
        text("storage"),
        b"ctorch\nShortStorage\n".to_vec(),
        text("a"),
        text("cpu"),
        b"M\x10'tQ".to_vec(),
    ]
    .concat();
    [b"ctorch._utils\n_rebuild_tensor_v2\n(", &storage[..], b"K\0", shape, stride, b"tR"].concat()
}

/// What is small in the file and stands there many times is not unpacked many times.
#[test]
fn a_small_file_cannot_ask_for_much() {
    let folder = folder("small");
    let path = folder.join("a.pt");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        read(from_ref(&path)).unwrap_err()
    };
    let map = [text("last_physical_to_logical_map"), tensor(b"K\x01M\x10'\x86", b"K\x01K\x01\x86")]
        .concat();
    let record = |number: u16| {
        let number = [b"M", &number.to_le_bytes()[..]].concat();
        [b"}(", &text("forward_pass_id")[..], &number, &text("global_physical_count"), b"h\0u"]
            .concat()
    };
    let records: Vec<u8> = (0..2000).flat_map(record).collect();
    let same =
        [b"\x80\x02}(", &map[..], b"q\0", &text("records"), b"](", &records, b"eu."].concat();
    let counts: Vec<u8> = (0..10_000_u16).flat_map(u16::to_le_bytes).collect();
    let said = read(&torch(&same, &counts));
    assert!(
        said.ends_with(".global_physical_count: the file has fewer bytes than counts"),
        "{said}"
    );

    let pickle =
        [b"}", &text("logical_count")[..], &tensor(b"K\x01K\x02\x86", b"K\x02K\x01\x86"), b"s."]
            .concat();
    let good = [("x/data.pkl", &pickle[..]), ("x/data/a", b"\x01\0\x02\0")];
    std::fs::write(&path, zipped(&good, CompressionMethod::Stored)).unwrap();
    assert_eq!(crate::readers_of_engines::read(from_ref(&path)).unwrap().load, [1.0, 2.0]);
    for (records, method, words) in [
        (
            &good[..],
            CompressionMethod::Deflated,
            ": x/data.pkl: is compressed, which torch.save does not",
        ),
        (&good[..1], CompressionMethod::Stored, ": logical_count, x/data/a: cannot be read: "),
        (
            &good[1..],
            CompressionMethod::Stored,
            ": has no data.pkl, or several: it is not of torch.save",
        ),
        (
            &[good[0], good[1], ("x/byteorder", b"big")],
            CompressionMethod::Stored,
            ": x/byteorder: is of another byte order than little",
        ),
    ] {
        let said = read(&zipped(records, method));
        assert!(said.contains(words), "{said}");
    }
}

/// No name is known but those of data, and what calls itself a list of itself is not walked.
#[test]
fn runs_nothing_of_a_pickle() {
    let folder = folder("pickles");
    let path = folder.join("a.pt");
    let said = |pickle: &[u8], a: &[u8]| {
        std::fs::write(&path, torch(&[b"\x80\x02", pickle, b"."].concat(), a)).unwrap();
        let said = read(from_ref(&path)).unwrap_err();
        said.strip_prefix(&format!("{}: ", path.display())).unwrap().to_string()
    };
    for name in [
        "posix system",
        "torch load",
        "builtins eval",
        "torch.storage _load_from_bytes",
        "collections Counter",
    ] {
        let global = format!("c{}\n", name.replace(' ', "\n"));
        let call = [global.as_bytes(), b"(X\x01\0\0\x001tR"].concat();
        let words = format!(
            "archive/data.pkl, byte 2 of the pickle: names {}, which",
            name.replace(' ', ".")
        );
        assert!(said(&call, b"").starts_with(&words), "{}", said(&call, b""));
        let (module, name) = name.split_once(' ').unwrap();
        let call = [text(module), text(name), b"\x93)R".to_vec()].concat();
        assert!(said(&call, b"").contains("which no table of loads needs"));
    }
    let count = |shape: &[u8], stride: &[u8]| {
        [b"}", &text("logical_count")[..], &tensor(shape, stride), b"s"].concat()
    };
    for (pickle, words) in [
        (b"\x85".repeat(1000), "byte 2 of the pickle: nothing is left to take"),
        ([b")".to_vec(), b"\x85".repeat(1 << 20)].concat(), "is tuple, not a dict"),
        (b"]q\0(h\0h\0e".to_vec(), "is list, not a dict"),
        (b"}r\xff\xff\xff\xff".to_vec(), "has no records: it has nothing"),
        (b"X\xff\xff\xff\x7fabc".to_vec(), "it ends here"),
        (b"i".to_vec(), "opcode 'i' is none of data"),
        ([b"}", &text("logical_count")[..], b"]Ns"].concat(), "there is no dict here"),
        (
            [b"}", &text("logical_count")[..], b"]s"].concat(),
            "logical_count: is list, not a tensor",
        ),
        (
            count(b"J\xff\xff\xff\x7fK\x08\x86", b"K\0K\0\x86"),
            "is a tensor [2147483647, 8] of strides [0, 0] from 0, more than",
        ),
        (count(b"K\x02K\x08\x86", b"J\xff\xff\xff\x7fK\x01\x86"), "more than its 48 elements"),
        (count(b"K\x02K\x08\x86", b"K\x01\x85"), "the size of a tensor: [2, 8] has strides [1]"),
        (count(b"J\xff\xff\xff\xff\x85", b"K\x01\x85"), "the size of a tensor: is -1, not from 0"),
    ] {
        let said = said(&pickle, &[0; 96]);
        assert!(said.contains(words), "{said}");
    }
}
