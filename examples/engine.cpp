// A small serving engine around eplb, with everything but the GPUs: tokens come in on every GPU, are dispatched over
// the replicas and counted into load windows; now and then the layers are planned anew on a thread pool, a gate says
// which of them are worth the move, and their weights migrate in rounds. The weights are fake: words that say whose
// they are.
//
// It runs twice, on one thread and on several, checks every step of itself, and answers 0 only when all held.
// Build: c++ -std=c++17 -O2 -pthread -Iinclude examples/engine.cpp target/release/libeplb.a -o engine
#include <eplb.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

namespace {

constexpr uint32_t layers = 12, experts = 64, slots = 80, gpus = 16, nodes = 2;
constexpr uint32_t tokens_a_gpu = 96, experts_a_token = 4, choices = tokens_a_gpu * experts_a_token; // in a step
constexpr uint32_t steps_a_window = 8, windows_kept = 6, steps_a_rebalance = 32, rebalances = 6;
constexpr uint32_t max_moves = 16, spare_buffers = 1;
constexpr uint32_t max_replicas = gpus; // an expert is on each GPU once at most
static_assert(spare_buffers <= 1, "migrate() has one buffer a GPU");
static_assert(choices <= 1024 && experts % 29 != 0, "traffic::expert() counts on both");

std::atomic<long> faults{0};

void expect(bool good, const char *what) {
  if (good) return;
  if (faults++ < 10) std::fprintf(stderr, "engine: not so: %s\n", what);
}

// The value of a call that cannot be refused here; an engine would keep the placement in force and say so.
template <class T>
T must(eplb::result<T> answer) {
  if (answer) return std::move(*answer);
  std::fprintf(stderr, "engine: %s\n", answer.text());
  std::_Exit(1);
}
void must(eplb::result<> answer) {
  if (answer) return;
  std::fprintf(stderr, "engine: %s\n", answer.text());
  std::_Exit(1);
}

uint64_t mix(uint64_t x) { // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// --- threads ---------------------------------------------------------------------------------------

// Threads that wait for work. Worker 0 is the thread that asks.
class pool {
 public:
  explicit pool(uint32_t workers) {
    for (uint32_t worker = 1; worker < workers; worker++)
      threads_.emplace_back([this, worker] { wait_for_work(worker); });
  }
  ~pool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closing_ = true;
    }
    work_.notify_all();
    for (std::thread &thread : threads_) thread.join();
  }
  uint32_t workers() const { return static_cast<uint32_t>(threads_.size()) + 1; }

  // Calls what(worker, item) for each item below count, in any order, and returns when all are done.
  void for_each(uint32_t count, std::function<void(uint32_t, uint32_t)> what) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      what_ = std::move(what);
      count_ = count;
      next_ = 0;
      busy_ = static_cast<uint32_t>(threads_.size());
      round_++;
    }
    work_.notify_all();
    take(0);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void take(uint32_t worker) {
    for (uint32_t item = next_++; item < count_; item = next_++) what_(worker, item);
  }
  void wait_for_work(uint32_t worker) {
    for (uint64_t seen = 0;;) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        work_.wait(lock, [&] { return closing_ || round_ != seen; });
        if (closing_) return;
        seen = round_;
      }
      take(worker);
      std::lock_guard<std::mutex> lock(mutex_);
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable work_, done_;
  std::function<void(uint32_t, uint32_t)> what_;
  uint32_t count_ = 0, busy_ = 0;
  uint64_t round_ = 0;
  std::atomic<uint32_t> next_{0};
  bool closing_ = false;
};

// --- the model: whom tokens want, and weights that say whose they are ------------------------------

// Experts of a layer drawn from a Zipf distribution; which are the hot ones changes half way.
class traffic {
 public:
  traffic() {
    for (uint32_t rank = 0; rank < experts; rank++)
      below_[rank] = std::ceil(1e6 / (rank + 3)) + (rank > 0 ? below_[rank - 1] : 0); // whole numbers: exact anywhere
  }
  uint32_t expert(uint32_t layer, uint32_t step, uint32_t gpu, uint32_t choice) const {
    const uint64_t draw = mix(((uint64_t{step} * layers + layer) * gpus + gpu) * 1024 + choice);
    const double at = std::floor(static_cast<double>(draw >> 32) * below_[experts - 1] / 4294967296.0);
    const auto rank = static_cast<uint32_t>(std::upper_bound(below_.begin(), below_.end(), at) - below_.begin());
    const uint64_t phase = step < steps_a_rebalance * rebalances / 2 ? 0 : 1;
    return static_cast<uint32_t>(rank * 29 + mix(layer * 2 + phase)) % experts; // 29 is prime: a permutation
  }

 private:
  std::array<double, experts> below_{};
};

using weights = std::array<uint64_t, 8>;
weights weights_of(uint32_t layer, int32_t expert) {
  weights of;
  const uint64_t whose = uint64_t{layer} * experts + static_cast<uint64_t>(expert);
  for (uint64_t i = 0; i < of.size(); i++) of[i] = mix(whose * of.size() + i);
  return of;
}

// What happened from one rebalance to the next.
struct report {
  double balance = 0, balance_kept = 0; // mean over steps and layers: ours, and with the first placement kept
  uint32_t moved_layers = 0, moved_experts = 0, rounds = 0;
  double gain_ms = 0, cost_ms = 0;
  uint64_t digest = 0; // of the placement in force afterwards
};

// --- the engine ------------------------------------------------------------------------------------

class engine {
 public:
  explicit engine(uint32_t workers) : pool_(workers) {
    problem_.num_layers = layers;
    problem_.num_logical_experts = experts;
    problem_.num_physical_experts = slots;
    problem_.num_nodes = nodes;
    problem_.num_gpus = gpus;
    options_.scope = eplb::scope::global;
    options_.max_moves = max_moves;
    options_.previous = in_force_;

    // a workspace for each worker, as large as the largest call: many windows, from a placement in force
    eplb::problem largest = problem_;
    largest.num_windows = windows_kept;
    const auto layout =
        eplb::workspace_layout({eplb::operation::plan, eplb::operation::evaluate, eplb::operation::check,
                                eplb::operation::transfers, eplb::operation::dispatch},
                               largest, options_);
    for (uint32_t worker = 0; worker < pool_.workers(); worker++) workspaces_.push_back(must(eplb::allocate(layout)));

    eplb::tracker_config config;
    config.num_windows = windows_kept;
    config.num_layers = layers;
    config.num_logical_experts = experts;
    config.steps_per_window = steps_a_window;
    tracker_memory_ = must(eplb::allocate(eplb::tracker_layout(config)));
    tracker_ = must(eplb::tracker::init(config, tracker_memory_));

    // nothing is known yet: all experts alike
    const std::vector<float> even(layers * experts, 1);
    eplb::problem first = problem_;
    first.load = even;
    eplb::options from_nothing;
    from_nothing.scope = options_.scope;
    must(eplb::plan(first, from_nothing, workspaces_[0], {in_force_}));
    kept_ = in_force_;
    for (uint32_t i = 0; i < layers * slots; i++) weights_[i] = weights_of(i / slots, in_force_[i]);
  }

  report run_until_rebalance(uint32_t step) {
    report r;
    for (uint32_t end = step + steps_a_rebalance; step < end; step++) {
      pool_.for_each(layers, [this, step](uint32_t worker, uint32_t layer) { serve(worker, layer, step); });
      for (uint32_t layer = 0; layer < layers; layer++) { // on one thread: a tracker takes one call at a time
        must(tracker_.observe(layer, {&arrived_[layer * slots], slots}, {&in_force_[layer * slots], slots}));
        r.balance += split_[layer].balance / (steps_a_rebalance * layers);
        r.balance_kept += split_kept_[layer].balance / (steps_a_rebalance * layers);
      }
    }
    rebalance(r);
    return r;
  }

 private:
  // One step of one layer: every token goes to a replica of each expert that it wants.
  void serve(uint32_t worker, uint32_t layer, uint32_t step) {
    uint32_t *const sent = &tokens_[layer * gpus * experts];
    std::fill_n(sent, gpus * experts, 0);
    std::array<std::array<uint32_t, choices>, gpus> wanted; // the expert of each choice
    for (uint32_t gpu = 0; gpu < gpus; gpu++)
      for (uint32_t i = 0; i < choices; i++) {
        wanted[gpu][i] = traffic_.expert(layer, step, gpu, i);
        sent[gpu * experts + wanted[gpu][i]]++;
      }

    const eplb::problem only = problem_.layer(layer);
    const eplb::batch batch{tokens_, true};
    const eplb::quotas quotas{quota_, route_end_, route_slot_, max_replicas, split_};
    must(eplb::dispatch(only, {}, workspaces_[worker], in_force_, batch, quotas));

    std::array<uint32_t, slots> arrived{};
    for (uint32_t gpu = 0; gpu < gpus; gpu++) {
      std::array<uint32_t, experts> number{}; // tokens of a GPU for an expert, numbered as they come
      for (const uint32_t expert : wanted[gpu]) {
        const int32_t slot = eplb::route(problem_, quotas, layer, expert, number[expert]++, gpu);
        expect(slot >= 0, "every token has a slot");
        if (slot < 0) continue;
        const uint32_t at = static_cast<uint32_t>(slot);
        expect(weights_[layer * slots + at][0] == signature_[layer * experts + expert], "a token finds its expert");
        arrived[at]++;
      }
    }
    for (uint32_t slot = 0; slot < slots; slot++) {
      uint64_t quota = 0;
      for (uint32_t gpu = 0; gpu < gpus; gpu++) quota += quota_[(layer * gpus + gpu) * slots + slot];
      expect(arrived[slot] == quota, "what arrives at a slot is its quota");
      arrived_[layer * slots + slot] = arrived[slot];
    }
    expect(std::accumulate(arrived.begin(), arrived.end(), 0u) == gpus * choices, "no token is lost");

    // the same tokens, had nothing been rebalanced
    must(eplb::dispatch(only, {}, workspaces_[worker], kept_, batch, {quota_kept_, {}, {}, 0, split_kept_}));
  }

  void rebalance(report &r) {
    // windows from before an abrupt change do not count, and the newest is held back to judge the plan by
    const eplb::windows windows = must(tracker_.windows());
    std::vector<float> window_weight(layers * windows.num_windows), newest(layers * experts);
    std::vector<uint32_t> counted(layers);
    must(eplb::window_weights(windows, {}, window_weight, counted));
    must(eplb::forecast(windows, {}, newest));
    const uint32_t last = (windows.oldest + windows.num_windows - 1) % windows.num_windows;
    for (uint32_t layer = 0; layer < layers; layer++)
      if (counted[layer] > 1) window_weight[layer * windows.num_windows + last] = 0;

    eplb::problem planning = problem_.on(windows), judging = problem_;
    planning.window_weight = window_weight;
    judging.load = newest;
    eplb::options plain;
    plain.scope = options_.scope;

    pool_.for_each(layers, [&](uint32_t worker, uint32_t layer) {
      const eplb::memory &workspace = workspaces_[worker];
      must(eplb::plan(planning.layer(layer), options_, workspace, {next_}));
      must(eplb::check(planning.layer(layer), plain, workspace, {next_}));
      must(eplb::evaluate(judging.layer(layer), plain, workspace, in_force_, now_));
      must(eplb::evaluate(judging.layer(layer), plain, workspace, next_, after_));
      auto &list = transfers_[layer];
      list.resize(2 * slots);
      const eplb::problem only = problem_.layer(layer);
      const auto totals = must(eplb::transfers(only, {}, workspace, in_force_, next_, spare_buffers, {list}));
      list.resize(totals.count);
      eplb::gate_layer &weigh = weigh_[layer];
      weigh.mean = now_[layer].mean_gpu_load;
      weigh.now = now_[layer].max_gpu_load;
      weigh.after = after_[layer].max_gpu_load;
      weigh.tokens = weigh.mean * gpus;
      weigh.moved = totals.moved; // over links: what changes its slot within a GPU costs nothing
      weigh.rounds = totals.rounds;
    });

    eplb::gate_config prices;
    prices.num_gpus = gpus;
    prices.step_seconds = 0.03;
    prices.steps = prices.steps_since = steps_a_rebalance;
    prices.bytes_per_expert = 44e6;
    prices.gpu_bandwidth = 50e9;
    const eplb::gate_total total = must(eplb::gate(prices, weigh_, gate_states_, verdicts_));
    r.moved_layers = total.moved_layers;
    r.gain_ms = total.gain_seconds * 1e3;
    r.cost_ms = total.cost_seconds * 1e3;

    pool_.for_each(layers, [this](uint32_t, uint32_t layer) {
      if (verdicts_[layer].move_layer != 0) migrate(layer);
    });
    for (uint32_t layer = 0; layer < layers; layer++) {
      if (verdicts_[layer].move_layer == 0) continue;
      r.moved_experts += weigh_[layer].moved;
      r.rounds = std::max(r.rounds, weigh_[layer].rounds);
    }
    r.digest = must(eplb::digest(problem_, in_force_));
  }

  // Carries out the transfers of a layer as docs/SPEC.md ("Transfers") says: settle 0, round 0, settle 1, ...
  void migrate(uint32_t layer) {
    weights *const held = &weights_[layer * slots];
    std::array<weights, gpus> buffer; // the spare one of each GPU
    for (uint32_t round = 0; round <= weigh_[layer].rounds; round++) {
      for (const eplb::transfer &t : transfers_[layer]) // the buffers that are due
        if (t.source_gpu != t.destination_gpu && t.commit != 0 && t.commit == round)
          held[t.destination_slot] = buffer[static_cast<uint32_t>(t.destination_gpu)];
      std::array<weights, slots> start;
      std::copy_n(held, slots, start.begin());
      for (const eplb::transfer &t : transfers_[layer]) // copies within a GPU
        if (t.source_gpu == t.destination_gpu && t.round == round)
          held[t.destination_slot] = start[static_cast<uint32_t>(t.source_slot)];

      std::copy_n(held, slots, start.begin());
      std::array<bool, gpus> sends{}, receives{};
      for (const eplb::transfer &t : transfers_[layer]) {
        if (t.source_gpu == t.destination_gpu || t.round != round) continue;
        const auto from = static_cast<uint32_t>(t.source_gpu), to = static_cast<uint32_t>(t.destination_gpu);
        expect(!sends[from] && !receives[to], "a GPU sends one expert and receives one in a round");
        sends[from] = receives[to] = true;
        const weights &read = start[static_cast<uint32_t>(t.source_slot)];
        expect(read == weights_of(layer, t.expert), "what is read is the expert");
        (t.commit == 0 ? held[t.destination_slot] : buffer[to]) = read;
      }
    }
    for (uint32_t slot = 0; slot < slots; slot++) {
      const int32_t expert = next_[layer * slots + slot];
      expect(expert < 0 || held[slot] == weights_of(layer, expert), "after the move each slot holds its expert");
      in_force_[layer * slots + slot] = expert;
    }
  }

  static std::vector<uint64_t> signatures() {
    std::vector<uint64_t> first(layers * experts);
    for (uint32_t i = 0; i < first.size(); i++)
      first[i] = weights_of(i / experts, static_cast<int32_t>(i % experts))[0];
    return first;
  }

  pool pool_;
  const traffic traffic_;
  const std::vector<uint64_t> signature_ = signatures();
  eplb::problem problem_;
  eplb::options options_;
  std::vector<eplb::memory> workspaces_;
  eplb::memory tracker_memory_;
  eplb::tracker tracker_;

  // [layers][..]: whole arrays, of which a worker touches the rows of its layer
  std::vector<int32_t> in_force_ = std::vector<int32_t>(layers * slots), next_ = in_force_, kept_ = in_force_;
  std::vector<weights> weights_ = std::vector<weights>(layers * slots);
  std::vector<uint32_t> tokens_ = std::vector<uint32_t>(layers * gpus * experts);
  std::vector<uint32_t> quota_ = std::vector<uint32_t>(layers * gpus * slots), quota_kept_ = quota_;
  std::vector<uint32_t> route_end_ = std::vector<uint32_t>(layers * gpus * experts * max_replicas);
  std::vector<int32_t> route_slot_ = std::vector<int32_t>(layers * experts * max_replicas);
  std::vector<uint32_t> arrived_ = std::vector<uint32_t>(layers * slots);
  std::vector<eplb::split> split_ = std::vector<eplb::split>(layers), split_kept_ = split_;
  std::vector<eplb::metrics> now_ = std::vector<eplb::metrics>(layers), after_ = now_;
  std::array<std::vector<eplb::transfer>, layers> transfers_;
  std::array<eplb::gate_layer, layers> weigh_{};
  std::array<eplb::gate_state, layers> gate_states_{};
  std::array<eplb::gate_verdict, layers> verdicts_{};
};

std::vector<report> run(uint32_t workers) {
  engine engine(workers);
  std::vector<report> reports;
  for (uint32_t i = 0; i < rebalances; i++) reports.push_back(engine.run_until_rebalance(i * steps_a_rebalance));
  return reports;
}

bool same(const report &a, const report &b) {
  return a.digest == b.digest && a.balance == b.balance && a.balance_kept == b.balance_kept &&
         a.moved_layers == b.moved_layers && a.moved_experts == b.moved_experts && a.rounds == b.rounds &&
         a.gain_ms == b.gain_ms && a.cost_ms == b.cost_ms;
}

} // namespace

int main() {
  if (!eplb::version_fits()) return std::fprintf(stderr, "engine: the library is of another version\n"), 1;
  const uint32_t workers = 4;
  const std::vector<report> alone = run(1), together = run(workers);

  std::printf("%u layers of %u experts on %u slots of %u GPUs; %u tokens x %u experts a step, %u threads\n\n", layers,
              experts, slots, gpus, tokens_a_gpu * gpus, experts_a_token, workers);
  std::printf("            balance        then moved                  worth    costs\n");
  std::printf("steps     first    ours   layers  experts  rounds        ms       ms   digest\n");
  uint32_t moved = 0;
  for (uint32_t i = 0; i < rebalances; i++) {
    const report &r = together[i];
    std::printf("%3u-%3u  %.4f  %.4f   %6u   %6u   %5u  %8.1f %8.1f   %016llx\n", i * steps_a_rebalance,
                (i + 1) * steps_a_rebalance - 1, r.balance_kept, r.balance, r.moved_layers, r.moved_experts, r.rounds,
                r.gain_ms, r.cost_ms, static_cast<unsigned long long>(r.digest));
    expect(same(r, alone[i]), "one thread and several do the same");
    moved += r.moved_layers;
    // the first stretch is before any plan, and the fourth begins with loads that nobody has seen
    expect(i == 0 || i == rebalances / 2 || r.balance > r.balance_kept + 0.1, "rebalancing makes the load more even");
  }
  expect(moved >= layers, "layers have moved");
  expect(together[rebalances - 1].balance > 0.9, "the load is even at the end");
  std::printf("\n%s\n", faults == 0 ? "every check held" : "NOT every check held");
  return faults == 0 ? 0 : 1;
}
