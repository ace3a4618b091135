//! What a call answered, as a digest: every map, every bit of every metric, every status.

use eplb::{Metrics, Split, Status};

#[derive(Default)]
pub struct Answer {
    hash: u64,
}

impl Answer {
    pub fn word(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }

    pub fn words(&mut self, words: impl IntoIterator<Item = u64>) {
        words.into_iter().for_each(|word| self.word(word));
    }

    pub fn status(&mut self, status: Status) {
        self.word(status.code() as u64);
    }

    pub fn slots(&mut self, slots: &[i32]) {
        self.words(slots.iter().map(|&slot| slot as u32 as u64));
    }

    pub fn floats(&mut self, floats: &[f32]) {
        self.words(floats.iter().map(|&float| u64::from(float.to_bits())));
    }

    pub fn metrics(&mut self, metrics: &Metrics) {
        let m = metrics;
        let floats = [
            m.mean_gpu_load,
            m.max_gpu_load,
            m.balance,
            m.node_balance,
            m.expert_balance,
            m.bound,
            m.gap,
            m.worst_window_balance,
            m.dispatch_balance,
            m.dispatch_bound,
        ];
        self.words(floats.map(f64::to_bits));
        self.words([m.duplicates, m.busiest_gpu, m.worst_window, m.moved_slots].map(u64::from));
    }

    pub fn split(&mut self, split: &Split) {
        self.words([split.largest_time, split.bound, split.balance].map(f64::to_bits));
        self.words([split.tokens, split.leaving_node, split.leaving_gpu]);
        self.words([split.kind as u64, split.busiest_gpu.into()]);
    }

    pub fn digest(&self) -> u64 {
        let mixed = (self.hash ^ (self.hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 31)
    }
}
