//! Capped counts: hot replicas few and large. D'Hondt equalises many replicas just above half of a GPU's
//! share, and no two of them fit together; here every expert gets just enough replicas to be under a cap, and
//! D'Hondt deals what is left among some.

use crate::balanced::construct::counts::Counts;
use crate::balanced::construct::loads::{Loads, fixed};
use crate::base::cells::{part_mut, put};
use crate::base::keys::heap;

impl Counts<'_> {
    /// Counts for one cap, in fixed point. What is left goes to the `heaviest` experts, but replicas that are not
    /// `small` get no more. `heap`: one key an expert. Whether they take just the slots there are.
    pub fn deal_capped(
        &mut self,
        loads: &Loads,
        cap: u64,
        (small, heaviest): (u64, usize),
        heap: &mut [u64],
    ) -> bool {
        self.clear();
        let (most, cap) = (self.most, cap as f64);
        let mut waiting = 0;
        for &key in loads.order.iter() {
            let expert = key as u32;
            let load = loads.exact(expert);
            if load <= cap && fixed(load) <= small {
                break;
            }
            self.split += 1;
            if load <= cap {
                continue;
            }
            let whole = (load / cap) as u32;
            let count = (whole + u32::from(f64::from(whole) * cap < load)).min(most);
            for _ in 1..count {
                if !self.give(expert, count) {
                    return false;
                }
            }
            let may_grow = count < most && self.split <= heaviest;
            if may_grow && load <= small as f64 * f64::from(count) {
                put(heap, waiting, loads.key(expert, count));
                waiting += 1;
                heap::sift_up(part_mut(heap, 0, waiting));
            }
        }
        self.deal_rest(loads, heap, (waiting, heaviest), |count| count < most);
        self.dealt == self.extra.len()
    }
}
