//! Prints the vectors of a policy: `cargo run -q --example vectors my_policy > vectors/my_policy.txt`. Names, shapes
//! and loads are those of `vectors/deepseek.txt`, the plans those of the slow reference (`tests/reference`), never of
//! the fast code.

#[path = "../tests/reference/mod.rs"]
mod reference;
#[path = "../tests/common/vectors.rs"]
mod vectors;

use reference::{Plan, Policy, Problem, Scope};

fn main() {
    let name = std::env::args().nth(1).expect("usage: vectors POLICY");
    let named = |policy: &Policy| snake(&format!("{policy:?}")) == name;
    let policy = Policy::ALL.into_iter().find(named).expect("not in tests/reference/mod.rs");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/deepseek.txt");
    let text = std::fs::read_to_string(path).expect(path);
    let cases = vectors::parse(path, &text).expect("vectors");
    // what comes before the plan of a case is copied as it stands
    let heads = text.split("end\n").map(|case| case.split("physical_to_logical\n").next());
    for (case, head) in cases.iter().zip(heads) {
        let plan = reference::plan(policy, Scope::Auto, &problem(case));
        let Plan { physical_to_logical, replica_rank, logical_count } = &plan;
        let (experts, slots) = (case.shape.num_logical_experts, case.shape.num_physical_experts);
        print!("{}", head.unwrap_or_default());
        print_rows("physical_to_logical", physical_to_logical, slots);
        print_rows("replica_rank", replica_rank, slots);
        print_rows("logical_count", logical_count, experts);
        println!("end");
    }
}

fn problem(case: &vectors::Case) -> Problem {
    Problem {
        num_layers: case.shape.num_layers,
        num_logical_experts: case.shape.num_logical_experts,
        num_physical_experts: case.shape.num_physical_experts,
        num_groups: case.shape.num_groups,
        num_nodes: case.shape.num_nodes,
        num_gpus: case.shape.num_gpus,
        load: case.load.clone(),
    }
}

fn print_rows(name: &str, values: &[i32], width: usize) {
    println!("{name}");
    for row in values.chunks(width) {
        let row: Vec<String> = row.iter().map(i32::to_string).collect();
        println!("{}", row.join(" "));
    }
}

/// `K2Hybrid` -> `k2_hybrid`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
