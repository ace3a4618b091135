//! The net: digests of everything that the library answers over more than 20,000 generated problems, against the list
//! in tests/library/net.txt. A change that is to keep every byte is caught by it; one that is meant to change plans shows
//! which kinds it changed.
//!
//! A line of the list is a family, the first of a hundred cases, and their digest. EPLB_NET=write makes the list anew;
//! EPLB_NET=FAMILY prints a digest for each case of a family, to be compared with those of another version.

mod answers;
mod calls;

use crate::problems::loads::Rng;
use answers::Answer;

/// Name, cases, and what a case does.
type Family = (&'static str, u64, fn(&mut Rng, &mut Answer));

const FAMILIES: [Family; 12] = [
    ("global", 3_000, calls::global),
    ("options", 4_000, calls::options),
    ("windows", 2_500, calls::windows),
    ("previous", 6_000, calls::previous),
    ("policies", 2_500, calls::policies),
    ("recipes", 1_000, calls::recipes),
    ("served", 200, calls::served),
    ("measured", 1_500, calls::measured),
    ("dispatch", 1_500, calls::dispatch),
    ("transfers", 1_500, calls::transfers),
    ("gate", 500, calls::gate),
    ("load", 600, calls::load),
];
const OF_A_LINE: u64 = 100;

fn digest(family: &Family, case: u64) -> u64 {
    let name =
        family.0.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let mut rng = Rng(name.wrapping_mul(0x1234_5678_9abc_def1).wrapping_add(case));
    let mut answer = Answer::default();
    family.2(&mut rng, &mut answer);
    answer.digest()
}

/// The lines of a family.
fn lines(family: &Family) -> Vec<String> {
    let lines = (0..family.1).step_by(OF_A_LINE as usize).map(|first| {
        let mut all = Answer::default();
        let cases = first..(first + OF_A_LINE).min(family.1);
        cases.for_each(|case| all.word(digest(family, case)));
        format!("{} {first} {:016x}", family.0, all.digest())
    });
    lines.collect()
}

#[test]
fn every_byte_is_as_it_was() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/library/net.txt");
    let wanted = std::env::var("EPLB_NET").unwrap_or_default();
    if let Some(family) = FAMILIES.iter().find(|family| family.0 == wanted) {
        for case in 0..family.1 {
            println!("{} {case} {:016x}", family.0, digest(family, case));
        }
        return;
    }
    // the families side by side: a thread each
    let found: Vec<String> = std::thread::scope(|scope| {
        let threads = FAMILIES.iter().map(|family| scope.spawn(|| lines(family)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    if wanted == "write" {
        std::fs::write(path, found.join("\n") + "\n").unwrap();
        return;
    }
    let list = std::fs::read_to_string(path).unwrap();
    let expected: Vec<&str> = list.lines().collect();
    assert_eq!(expected.len(), found.len(), "EPLB_NET=write makes the list anew");
    let differ: Vec<_> = expected.iter().zip(&found).filter(|(a, b)| *a != b).collect();
    for (expected, found) in &differ {
        println!("expected {expected}\n   found {found}");
    }
    assert!(
        differ.is_empty(),
        "{} of {} lines differ; where that is meant, EPLB_NET=write makes the list anew",
        differ.len(),
        found.len()
    );
}
