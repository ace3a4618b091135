//! Replicas for a batch.

mod exhaustive;
mod flow;
mod instance;

#[test]
fn dev_time() {
    use crate::loads::Rng;
    for (uneven, held, limits) in [(false,false,false),(true,false,false),(true,true,false),(true,true,true)] {
    let mut rng = Rng(5);
    let mut hist = [0; 14];
    let start = std::time::Instant::now();
    let mut slow = (0.0, String::new());
    let mut unreach = 0;
    for _ in 0..1000 {
        let i = instance::random(&mut rng, &instance::Kind { most_gpus: 6, most_experts: 12, uneven, held, limits, sources: false });
        let t = std::time::Instant::now();
        let s = exhaustive::Small::new(&i);
        let least = s.least();
        if least > s.bound_of_spare() { unreach += 1; }
        let found = s.fewest(least * (1.0 + f64::from(i.tolerance) / 1024.0)).unwrap();
        hist[found.fetches] += 1;
        let t = t.elapsed().as_secs_f64();
        if t > slow.0 { slow = (t, format!("{i:?} {found:?} {least}")); }
    }
    println!("{:?} {hist:?} {unreach} {slow:?}", start.elapsed());
    }
}
