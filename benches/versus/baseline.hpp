// DeepSeek EPLB in plain C++: what `eplb_plan` is measured against.
#pragma once

#include <cstdint>

namespace baseline {

struct Shape {
  int experts, slots, groups, nodes, gpus;
};

// Plans one layer: `load` has an entry per expert; `physical_to_logical` and `replica_rank` are written per slot,
// `logical_count` per expert. Hierarchical when the nodes divide the groups, else global.
void rebalance(const Shape &shape, const float *load, int32_t *physical_to_logical, int32_t *replica_rank,
               int32_t *logical_count);

}  // namespace baseline
