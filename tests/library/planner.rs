//! A planner in a static takes no place in the program's image: it lies in .bss, which its own executable tells.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

use eplb::fixed::Planner;
use std::sync::Mutex;

type Large = Planner<256, 288>;

static PLANNER: Mutex<Large> = Mutex::new(Planner::new());

/// The size of a section of an ELF file of 64 bits, 0 when there is none. Words are little-endian where this runs.
fn section(file: &[u8], name: &str) -> u64 {
    let number = |at: usize, bytes: usize| {
        file[at..at + bytes].iter().rev().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte))
    };
    let (table, size, count) =
        (number(0x28, 8) as usize, number(0x3a, 2) as usize, number(0x3c, 2) as usize);
    let header = |index: usize| table + index * size;
    let names = number(header(number(0x3e, 2) as usize) + 0x18, 8) as usize;
    let is_named = |&at: &usize| {
        let found = &file[names + number(at, 4) as usize..];
        found.starts_with(name.as_bytes()) && found[name.len()] == 0
    };
    (0..count).map(header).find(is_named).map_or(0, |at| number(at + 0x20, 8))
}

#[test]
fn a_static_planner_lies_in_bss() {
    let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let planner = size_of::<Large>() as u64;
    assert!(planner > 60_000);
    assert!(PLANNER.lock().unwrap().physical_to_logical().is_empty());
    assert!(section(&file, ".bss") >= planner, ".bss is {}", section(&file, ".bss"));
    assert!(section(&file, ".data") < planner, ".data is {}", section(&file, ".data"));
}
