//! The worked example of the field, and the rules of others that the bench compares with.

use super::call::call;
use super::checker::check;
use super::instance::Instance;
use crate::rivals::{Layer, Move, moonep, ultraep};

/// Tokens by source; two homes a GPU, in order. Published with an analysis of MoonEP.
const SOURCES: [[u32; 8]; 4] = [
    [3, 2, 2, 1, 0, 0, 0, 0],
    [2, 1, 2, 0, 1, 1, 1, 0],
    [2, 1, 2, 1, 1, 0, 0, 1],
    [2, 1, 1, 1, 1, 1, 1, 0],
];
const TOTAL: [u32; 8] = [9, 5, 7, 3, 3, 2, 2, 1];

fn example(spare: usize, sources: bool) -> Instance {
    let homes: [&[i32]; 4] = [&[0, 1], &[2, 3], &[4, 5], &[6, 7]];
    let mut instance = Instance::plain(&homes, spare, &TOTAL);
    if sources {
        instance.tokens = SOURCES.iter().map(|row| row.to_vec()).collect();
    }
    instance
}

/// The least largest time by the fewest fetches, and no token more leaves home than the surplus of its GPU.
#[test]
fn the_published_example() {
    for sources in [false, true] {
        for (spare, time, fetches, moved) in [(2, 8.0, 3, 8), (1, 9.0, 2, 6)] {
            let instance = example(spare, sources);
            let counted = check(&instance, &call(&instance));
            let found = (counted.largest_time, counted.fetches, counted.leaving_home);
            assert!(found <= (time, fetches, moved), "{spare} spare slots: {found:?}");
        }
    }
}

/// MoonEP's rule gives what is published of it: three fetches, nine tokens.
#[test]
fn moonep_as_published() {
    let home: Vec<usize> = (0..8).map(|expert| expert / 2).collect();
    let layer = Layer { gpus: 4, home: &home, tokens: &TOTAL };
    let moved = |expert, to, tokens| Move { expert, to, tokens };
    assert_eq!(moonep(&layer), [moved(0, 3, 5), moved(2, 2, 3), moved(1, 1, 1)]);
    assert_eq!(layer.largest(&moonep(&layer)), 8);
}

/// The other rule ends within its slots, and no higher than it began.
#[test]
fn ultraep_keeps_its_slots() {
    let home: Vec<usize> = (0..8).map(|expert| expert / 2).collect();
    let layer = Layer { gpus: 4, home: &home, tokens: &TOTAL };
    for (spare, largest) in [(0, 14), (1, 9), (2, 8)] {
        let moves = ultraep(&layer, spare);
        assert_eq!(layer.largest(&moves), largest, "{spare}");
        for gpu in 0..4 {
            assert!(moves.iter().filter(|moved| moved.to == gpu).count() <= spare);
        }
    }
}
