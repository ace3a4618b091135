//! A plain flow of least cost, for networks of some twenty places: one cheapest way after another.

struct Edge {
    from: usize,
    to: usize,
    room: u64,
    cost: i64,
}

/// A network; every edge is followed by its reverse.
pub struct Network {
    places: usize,
    edges: Vec<Edge>,
}

impl Network {
    pub fn new(places: usize) -> Self {
        Network { places, edges: Vec::new() }
    }

    pub fn edge(&mut self, from: usize, to: usize, room: u64, cost: i64) {
        self.edges.push(Edge { from, to, room, cost });
        self.edges.push(Edge { from: to, to: from, room: 0, cost: -cost });
    }

    /// As much as can flow, and the least that it costs.
    pub fn flow(&mut self, from: usize, to: usize) -> (u64, u64) {
        let (mut amount, mut cost) = (0, 0);
        while let Some((way, each)) = self.cheapest(from, to) {
            let room = way.iter().map(|&edge| self.edges[edge].room).min().unwrap();
            for edge in way {
                self.edges[edge].room -= room;
                self.edges[edge ^ 1].room += room;
            }
            amount += room;
            cost += room * each as u64;
        }
        (amount, cost)
    }

    /// Bellman and Ford: the edges of the cheapest way, and its cost.
    fn cheapest(&self, from: usize, to: usize) -> Option<(Vec<usize>, i64)> {
        let mut cost: Vec<Option<i64>> = vec![None; self.places];
        let mut by = vec![usize::MAX; self.places];
        cost[from] = Some(0);
        let mut changed = true;
        while changed {
            changed = false;
            for (number, edge) in self.edges.iter().enumerate().filter(|(_, edge)| edge.room > 0) {
                let Some(here) = cost[edge.from] else { continue };
                if cost[edge.to].is_none_or(|there| here + edge.cost < there) {
                    cost[edge.to] = Some(here + edge.cost);
                    by[edge.to] = number;
                    changed = true;
                }
            }
        }
        let total = cost[to]?;
        let mut way = Vec::new();
        let mut place = to;
        while place != from {
            way.push(by[place]);
            place = self.edges[by[place]].from;
        }
        Some((way, total))
    }
}
