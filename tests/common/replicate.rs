//! Replicas for a batch, on top of the Rust face: a call that owns its memory.
#![allow(dead_code)] // each test crate uses its part

use eplb::{
    Arena, Fetch, Lengths, Need, Placement, QuotasMut, ReplicasMut, Replicated, Request, Shape,
    Spec, Status,
};

/// All that a call gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replicas {
    pub slots: Vec<i32>,
    pub quota: Vec<u32>,
    pub route_end: Vec<u32>,
    pub route_slot: Vec<i32>,
    pub max_replicas: usize,
    pub fetches: Vec<Fetch>,
    pub reports: Vec<Replicated>,
}

/// A planner of replicas with its memory.
pub struct Replicator<'a> {
    shape: Shape<'a>,
    u64s: Vec<u64>,
    f64s: Vec<f64>,
    u32s: Vec<u32>,
    f32s: Vec<f32>,
}

impl<'a> Replicator<'a> {
    /// The workspace begins full of `byte`.
    pub fn new(spec: &Spec<'a>, byte: u8) -> Result<Self, Status> {
        let shape = Shape::new(spec)?;
        let Need { u64s, f64s, u32s, f32s, .. } =
            eplb::workspace(eplb::Operation::Replicate, &shape, &eplb::Options::default())?;
        let word = u32::from_ne_bytes([byte; 4]);
        Ok(Replicator {
            shape,
            u64s: vec![u64::from_ne_bytes([byte; 8]); u64s],
            f64s: vec![f64::from_ne_bytes([byte; 8]); f64s],
            u32s: vec![word; u32s],
            f32s: vec![f32::from_bits(word); f32s],
        })
    }

    pub fn kib(&self) -> f64 {
        let bytes =
            (self.u64s.len() + self.f64s.len()) * 8 + (self.u32s.len() + self.f32s.len()) * 4;
        bytes as f64 / 1024.0
    }

    /// Arrays for an answer; a table of `width` replicas, none of 0.
    pub fn room(&self, by_source: bool, width: usize) -> Result<Replicas, Status> {
        let lengths = Lengths::new(&self.shape, by_source, width)?;
        let slots = self.shape.num_layers() * self.shape.num_physical_experts();
        Ok(Replicas {
            slots: vec![-7; slots],
            quota: vec![u32::MAX; lengths.quota],
            route_end: vec![u32::MAX; lengths.route_end],
            route_slot: vec![-7; lengths.route_slot],
            max_replicas: width,
            fetches: vec![Fetch::default(); slots],
            reports: vec![Replicated::default(); self.shape.num_layers()],
        })
    }

    /// Fills `out`, which has room: how many fetches there are.
    pub fn fill(
        &mut self,
        home: &[i32],
        request: &Request,
        out: &mut Replicas,
    ) -> Result<usize, Status> {
        let width = out.max_replicas;
        let quotas = QuotasMut {
            quota: &mut out.quota,
            route_end: (width > 0).then_some(&mut out.route_end),
            route_slot: (width > 0).then_some(&mut out.route_slot),
            max_replicas: width,
        };
        let replicas = ReplicasMut {
            physical_to_logical: &mut out.slots,
            quotas,
            fetches: Some(&mut out.fetches),
        };
        let arena = Arena::new(&mut self.u64s, &mut self.f64s, &mut self.u32s, &mut self.f32s);
        let reports = &mut out.reports;
        let report = &mut |layer: usize, found: &Replicated| reports[layer] = *found;
        let home = Placement::of(home);
        eplb::replicate(&self.shape, arena, &home, request, replicas, Some(report))
    }

    /// A whole answer.
    pub fn run(
        &mut self,
        home: &[i32],
        request: &Request,
        width: usize,
    ) -> Result<Replicas, Status> {
        let mut out = self.room(request.by_source, width)?;
        let fetches = self.fill(home, request, &mut out)?;
        out.fetches.truncate(fetches);
        Ok(out)
    }
}
