// DeepSeek EPLB (deepseek-ai/EPLB, rebalance_experts) as an engineer would write it in C++: std::sort for the order,
// std::priority_queue for the next expert to replicate and for the lightest pack. Loads are floats, as there.
// Ties go to the lowest index, so that plans are those of EPLB_POLICY_DEEPSEEK, slot by slot.
#include "baseline.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <utility>
#include <vector>

namespace baseline {
namespace {

// A load and whose it is.
using Item = std::pair<float, int>;

// Larger loads come first, lower indices among equals.
struct Heavier {
  bool operator()(const Item &a, const Item &b) const {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  }
};
// std::priority_queue has the last in order on top.
struct Lighter {
  bool operator()(const Item &a, const Item &b) const { return Heavier()(b, a); }
};

struct Packing {
  std::vector<int> pack, rank;  // of each item
};

// The heaviest item left goes to the lightest pack with room; all packs get as many items.
Packing balanced_packing(const std::vector<float> &load, int packs) {
  const int items = static_cast<int>(load.size()), room = items / packs;
  Packing packing{std::vector<int>(items), std::vector<int>(items)};
  if (room == 1) {
    std::iota(packing.pack.begin(), packing.pack.end(), 0);
    return packing;
  }
  std::vector<Item> order(items);
  for (int item = 0; item < items; item++) order[item] = {load[item], item};
  std::sort(order.begin(), order.end(), Heavier());

  std::vector<Item> empty(packs);
  for (int pack = 0; pack < packs; pack++) empty[pack] = {0.0f, pack};
  std::priority_queue<Item, std::vector<Item>, std::greater<Item>> lightest({}, std::move(empty));
  std::vector<int> held(packs);
  for (const auto &[weight, item] : order) {
    const auto [sum, pack] = lightest.top();
    lightest.pop();
    packing.pack[item] = pack;
    packing.rank[item] = held[pack]++;
    if (held[pack] < room) lightest.push({sum + weight, pack});
  }
  return packing;
}

struct Replicas {
  std::vector<int> expert, rank;  // of each physical expert
  std::vector<int> count;         // of each expert
};

// Every spare slot goes to the expert with the largest load a replica.
Replicas replicate_experts(const std::vector<float> &load, int slots) {
  const int experts = static_cast<int>(load.size());
  Replicas replicas{std::vector<int>(slots), std::vector<int>(slots), std::vector<int>(experts, 1)};
  std::iota(replicas.expert.begin(), replicas.expert.begin() + experts, 0);
  if (slots == experts) return replicas;

  std::vector<Item> single(experts);
  for (int expert = 0; expert < experts; expert++) single[expert] = {load[expert], expert};
  std::priority_queue<Item, std::vector<Item>, Lighter> largest({}, std::move(single));
  for (int slot = experts; slot < slots; slot++) {
    const int expert = largest.top().second;
    largest.pop();
    replicas.expert[slot] = expert;
    replicas.rank[slot] = replicas.count[expert]++;
    largest.push({load[expert] / static_cast<float>(replicas.count[expert]), expert});
  }
  return replicas;
}

}  // namespace

void rebalance(const Shape &shape, const float *load, int32_t *physical_to_logical, int32_t *replica_rank,
               int32_t *logical_count) {
  const bool hierarchical = shape.groups % shape.nodes == 0;
  const int groups = hierarchical ? shape.groups : 1, nodes = hierarchical ? shape.nodes : 1;
  const int group_size = shape.experts / groups, gpus = shape.gpus / nodes;
  const int experts = shape.experts / nodes, slots = shape.slots / nodes, gpu_slots = shape.slots / shape.gpus;

  // groups onto nodes; `logical` lists the experts node by node
  std::vector<float> group_load(groups);
  for (int group = 0; group < groups; group++)
    group_load[group] = std::accumulate(load + group * group_size, load + (group + 1) * group_size, 0.0f);
  const Packing on_node = balanced_packing(group_load, nodes);
  std::vector<int> logical(shape.experts);
  for (int group = 0; group < groups; group++) {
    const int place = on_node.pack[group] * (groups / nodes) + on_node.rank[group];
    std::iota(logical.begin() + place * group_size, logical.begin() + (place + 1) * group_size, group * group_size);
  }

  std::vector<float> of_expert(experts), of_replica(slots);
  for (int node = 0; node < nodes; node++) {
    const int *names = logical.data() + node * experts;
    for (int expert = 0; expert < experts; expert++) of_expert[expert] = load[names[expert]];
    const Replicas replicas = replicate_experts(of_expert, slots);
    for (int physical = 0; physical < slots; physical++) {
      const int expert = replicas.expert[physical];
      of_replica[physical] = of_expert[expert] / static_cast<float>(replicas.count[expert]);
    }
    const Packing on_gpu = balanced_packing(of_replica, gpus);
    for (int physical = 0; physical < slots; physical++) {
      const int slot = node * slots + on_gpu.pack[physical] * gpu_slots + on_gpu.rank[physical];
      physical_to_logical[slot] = names[replicas.expert[physical]];
      replica_rank[slot] = replicas.rank[physical];
    }
    for (int expert = 0; expert < experts; expert++) logical_count[names[expert]] = replicas.count[expert];
  }
}

}  // namespace baseline
