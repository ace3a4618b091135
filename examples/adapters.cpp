// eplb behind the interfaces of three serving engines: the shapes that they pass and take, as their sources have them.
//   c++ -std=c++17 -Iinclude examples/adapters.cpp target/release/libeplb.a -o adapters
// Each adapter is what an engine would keep; below them each is called as the engine calls it, and checked.
#include <eplb.hpp>

#include <cstdio>
#include <cstdlib>
#include <vector>

static void expect(bool good, const char *what) {
  if (good) return;
  std::fprintf(stderr, "adapters: %s\n", what);
  std::exit(1);
}

// --- TensorRT-LLM: runtime/moeLoadBalancer. doReplication and doPlacement in one, since counts and places are decided
// together. Loads float[E] of a layer; counts by expert; ranks x slots; the slots of each expert as sparse rows; a mask
// of ranks, 1 = dead.

namespace tensorrt_llm {

struct placement_info {
  std::vector<int32_t> replica_count;              // [E]
  std::vector<int32_t> replica_start_offset;       // [E + 1]
  std::vector<int32_t> global_slot_ids;            // [P]
  std::vector<std::vector<int32_t>> rank_expert_ids; // [ranks][slots of a rank]
};

class load_balancer {
 public:
  load_balancer(uint32_t experts, uint32_t ranks, uint32_t slots_per_rank) {
    problem_.num_layers = 1;
    problem_.num_logical_experts = experts;
    problem_.num_physical_experts = ranks * slots_per_rank;
    problem_.num_gpus = ranks;
    auto block = eplb::allocate(eplb::workspace_layout({eplb::operation::plan}, problem_));
    expect(block.ok(), block.text());
    workspace_ = std::move(*block);
  }

  void place(const std::vector<float> &load, const std::vector<uint8_t> &dead_ranks, placement_info &out) {
    const uint32_t slots = problem_.num_physical_experts, per_rank = slots / problem_.num_gpus;
    std::vector<int32_t> expert_of(slots);
    out.replica_count.resize(problem_.num_logical_experts);
    problem_.load = load;
    problem_.gpu_state = dead_ranks;
    eplb::placement maps;
    maps.physical_to_logical = expert_of;
    maps.logical_count = out.replica_count;
    const auto planned = eplb::plan(problem_, {}, workspace_, maps);
    if (!planned) expect(false, eplb::explain_plan(problem_, {}, workspace_, maps).text());
    out.replica_start_offset.resize(problem_.num_logical_experts + 1);
    out.global_slot_ids.resize(slots);
    expect(eplb::slots_by_expert(expert_of, out.replica_start_offset, out.global_slot_ids).ok(), "sparse rows");
    out.rank_expert_ids.clear();
    for (auto rank = expert_of.begin(); rank != expert_of.end(); rank += per_rank)
      out.rank_expert_ids.emplace_back(rank, rank + per_rank);
  }

 private:
  eplb::problem problem_;
  eplb::memory workspace_;
};

} // namespace tensorrt_llm

// --- xLLM: core/framework/eplb. A policy is asked layer by layer: int64 loads, an int32 row of ranks x slots that must
// be full, and a layer is only changed where that gains 5 %.

namespace xllm {

class policy {
 public:
  policy(uint32_t layers, uint32_t experts, uint32_t ranks, uint32_t slots_per_rank) {
    problem_.num_layers = 1; // of a call
    problem_.num_logical_experts = experts;
    problem_.num_physical_experts = ranks * slots_per_rank;
    problem_.num_gpus = ranks;
    options_.scope = eplb::scope::global;
    rows_.resize(layers);
    auto block = eplb::allocate(
        eplb::workspace_layout({eplb::operation::rebalance, eplb::operation::evaluate}, problem_));
    expect(block.ok(), block.text());
    workspace_ = std::move(*block);
  }

  // The row of the layer, and whether it is a new one.
  std::pair<const std::vector<int32_t> &, bool> plan_layer(uint32_t layer, const std::vector<int64_t> &tokens) {
    std::vector<int32_t> &row = rows_[layer];
    std::vector<float> load(tokens.size());
    const auto read = eplb::loads_of(tokens, load);
    expect(read.ok(), read.text());
    problem_.load = load;
    std::vector<int32_t> next(problem_.num_physical_experts);
    options_.previous = row;
    eplb::placement maps;
    maps.physical_to_logical = next;
    eplb::metrics now{}, then{};
    const auto planned = eplb::plan(problem_, options_, workspace_, maps, {&then, 1});
    if (!planned) expect(false, eplb::explain_plan(problem_, options_, workspace_, maps).text());
    if (!row.empty()) {
      expect(eplb::evaluate(problem_, options_, workspace_, row, {&now, 1}).ok(), "the row in force");
      if (now.max_gpu_load < 1.05 * then.max_gpu_load) return {row, false};
    }
    row = next;
    return {row, true};
  }

 private:
  eplb::problem problem_;
  eplb::options options_;
  eplb::memory workspace_;
  std::vector<std::vector<int32_t>> rows_; // what is in force; empty: nothing yet
};

} // namespace xllm

// --- RTP-LLM: createBalancePlan. int32 counts in a sliding window of steps; tables of width P - E + 1, padded with -1.

namespace rtp_llm {

struct balance_plan {
  std::vector<int32_t> logic_expert_cnt; // [L][E]
  std::vector<int32_t> log2phy;          // [L][E][P - E + 1]
  std::vector<int32_t> phy2log;          // [L][P]
};

// counts [W][L][E], the oldest step first.
balance_plan create_balance_plan(const std::vector<int32_t> &counts, uint32_t windows, uint32_t layers,
                                 uint32_t experts, uint32_t slots, uint32_t gpus) {
  std::vector<float> load(counts.size());
  const auto read = eplb::loads_of(counts, load);
  expect(read.ok(), read.text());
  eplb::problem problem;
  problem.num_windows = windows;
  problem.num_layers = layers;
  problem.num_logical_experts = experts;
  problem.num_physical_experts = slots;
  problem.num_gpus = gpus;
  problem.load = load;
  balance_plan out;
  out.phy2log.resize(size_t{layers} * slots);
  out.logic_expert_cnt.resize(size_t{layers} * experts);
  out.log2phy.resize(size_t{layers} * experts * (slots - experts + 1));
  eplb::placement maps;
  maps.physical_to_logical = out.phy2log;
  maps.logical_count = out.logic_expert_cnt;
  maps.logical_to_physical = out.log2phy;
  maps.max_replicas = slots - experts + 1;
  const auto workspace = eplb::allocate(eplb::workspace_layout({eplb::operation::plan}, problem));
  expect(workspace.ok(), workspace.text());
  if (!eplb::plan(problem, {}, *workspace, maps))
    expect(false, eplb::explain_plan(problem, {}, *workspace, maps).text());
  return out;
}

} // namespace rtp_llm

// --- as the engines call them ------------------------------------------------------------------------

static void as_tensorrt_llm_calls() {
  const uint32_t experts = 16, ranks = 4, slots = 5;
  tensorrt_llm::load_balancer balancer(experts, ranks, slots);
  std::vector<float> load(experts, 100);
  load[3] = 900;
  tensorrt_llm::placement_info info;
  balancer.place(load, {0, 0, 0, 0}, info);
  expect(info.replica_count[3] > 1 && info.replica_start_offset[experts] == 20, "the hot expert has replicas");
  for (uint32_t e = 0; e < experts; e++) {
    const int32_t first = info.replica_start_offset[e], end = info.replica_start_offset[e + 1];
    expect(end - first == info.replica_count[e], "rows have as many slots as there are replicas");
    for (int32_t i = first; i < end; i++) {
      const auto slot = static_cast<uint32_t>(info.global_slot_ids[static_cast<size_t>(i)]);
      expect(info.rank_expert_ids[slot / slots][slot % slots] == static_cast<int32_t>(e), "and the slots hold it");
    }
  }
  tensorrt_llm::load_balancer larger(experts, ranks, 6); // 18 slots without rank 1
  larger.place(load, {0, 1, 0, 0}, info);
  for (int32_t expert : info.rank_expert_ids[1]) expect(expert == -1, "a dead rank holds nothing");
  for (int32_t count : info.replica_count) expect(count >= 1, "and every expert lives");
}

static void as_xllm_calls() {
  xllm::policy policy(2, 8, 4, 3);
  std::vector<int64_t> tokens = {5000000000, 10, 10, 10, 10, 10, 10, 10};
  const auto first = policy.plan_layer(1, tokens);
  expect(first.second && first.first.size() == 12, "the first row is new");
  for (int32_t expert : first.first) expect(expert >= 0, "and full");
  tokens[1] = 11;
  expect(!policy.plan_layer(1, tokens).second, "what gains less than 5 % stays");
  tokens = {10, 10, 10, 10, 10, 10, 10, 5000000000};
  expect(policy.plan_layer(1, tokens).second && policy.plan_layer(0, tokens).second, "what gains more does not");
}

static void as_rtp_llm_calls() {
  const uint32_t windows = 3, layers = 2, experts = 6, slots = 8, gpus = 4, width = slots - experts + 1;
  std::vector<int32_t> counts(windows * layers * experts, 7);
  counts[0] = counts[experts] = 50;
  const rtp_llm::balance_plan plan = rtp_llm::create_balance_plan(counts, windows, layers, experts, slots, gpus);
  for (uint32_t row = 0; row < layers * experts; row++)
    for (uint32_t r = 0; r < width; r++) {
      const int32_t slot = plan.log2phy[row * width + r];
      expect((slot >= 0) == (static_cast<int32_t>(r) < plan.logic_expert_cnt[row]), "padded with -1 behind replicas");
      if (slot >= 0)
        expect(plan.phy2log[row / experts * slots + static_cast<uint32_t>(slot)] == static_cast<int32_t>(row % experts),
               "both maps say the same");
    }
}

int main() {
  as_tensorrt_llm_calls();
  as_xllm_calls();
  as_rtp_llm_calls();
  std::printf("adapters: three engines' shapes\n");
}
