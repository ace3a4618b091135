//! A thousand damaged copies of a file of each kind: each is read, or refused with its name and why. Of archives the
//! records are damaged as well, with sums that fit, so that the damage is met by what reads them.

use std::io::{Cursor, Read};
use std::slice::from_ref;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use zip::{CompressionMethod, ZipArchive};

use crate::readers::read_all;
use crate::readers_of_engines::{data, good, zipped};
use crate::run::folder;

/// Damages up to three places.
fn damaged(random: &mut StdRng, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=bytes.len());
        let end = |len: usize| (at + len).min(bytes.len());
        match random.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end(random.random_range(1..40)))),
            2 => {
                let more: Vec<u8> =
                    (0..random.random_range(1..20)).map(|_| random.random()).collect();
                drop(bytes.splice(at..at, more));
            }
            3 => {
                let words: [&[u8]; 5] =
                    [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0", b"[[[[", b"9999"];
                let word = words.choose(random).unwrap();
                drop(bytes.splice(at..end(4), word.iter().copied()));
            }
            _ => bytes[at..].iter_mut().take(1).for_each(|byte| *byte = random.random()),
        }
    }
    bytes
}

/// The archive with one record damaged: mostly the one that says what the others are.
fn rezipped(random: &mut StdRng, bytes: &[u8]) -> Vec<u8> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut records: Vec<(String, Vec<u8>)> = Vec::new();
    for at in 0..zip.len() {
        let mut file = zip.by_index(at).unwrap();
        let mut record = Vec::new();
        file.read_to_end(&mut record).unwrap();
        records.push((file.name().to_string(), record));
    }
    let says = |(name, _): &(String, Vec<u8>)| name.ends_with(".pkl") || name.ends_with(".npy");
    let first = records.iter().position(says).unwrap();
    let worst =
        if random.random_ratio(3, 4) { first } else { random.random_range(0..records.len()) };
    records[worst].1 = damaged(random, &records[worst].1);
    let records: Vec<(&str, &[u8])> =
        records.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
    zipped(&records, CompressionMethod::Stored)
}

#[test]
fn a_thousand_damaged_files_of_each_kind() {
    let folder = folder("damaged");
    let mut kinds: Vec<(String, Vec<u8>)> =
        good().into_iter().map(|(name, bytes)| (name.to_string(), bytes)).collect();
    for name in ["counts.pt", "bfloat16.pt", "view.pt", "sglang_stat.pt", "sglang_per_token_0.pt"] {
        kinds.push((name.to_string(), std::fs::read(data().join(name)).unwrap()));
    }
    for (seed, (name, bytes)) in kinds.into_iter().enumerate() {
        let mut random = StdRng::seed_from_u64(seed as u64);
        let path = folder.join(&name);
        let archive = name.ends_with(".pt") || name.ends_with(".npz");
        let mut refused = 0;
        for number in 0..1000 {
            let copy = match archive && number % 3 > 0 {
                true => rezipped(&mut random, &bytes),
                false => damaged(&mut random, &bytes),
            };
            std::fs::write(&path, copy).unwrap();
            match read_all(from_ref(&path), 8) {
                Ok(read) => {
                    let trace = read.unwrap();
                    let all = trace.windows.len() * trace.layers.len() * trace.experts;
                    assert!(all > 0 && trace.load.len() == all, "{name} {number}");
                    assert!(trace.load.iter().all(|load| load.is_finite() && *load >= 0.0));
                }
                Err(error) => {
                    let said = error.to_string();
                    let why = said.strip_prefix(&format!("{}: ", path.display()));
                    assert!(why.is_some_and(|why| !why.is_empty()), "{name} {number}: {said}");
                    assert!(!said.contains('\n'), "{said:?}");
                    refused += 1;
                }
            }
        }
        assert!(refused >= 250, "{name}: {refused}");
    }
}
