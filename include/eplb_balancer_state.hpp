/*
 * eplb_balancer_state.hpp: what an eplb::balancer keeps, all of it in one block; included by eplb_balancer.hpp.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef EPLB_BALANCER_STATE_HPP
#define EPLB_BALANCER_STATE_HPP

#include <cfloat>
#include <cmath>
#include <cstring>

#include "eplb.hpp"

namespace eplb {
#ifdef __cpp_lib_span
inline namespace with_std_span {
#else
inline namespace with_own_span {
#endif

/* What a loop is for. What it points to is copied by start(). */
struct balancer_config {
  problem machine;                     /* layers, experts, slots, groups, nodes, GPUs, cost; loads are not looked at */
  options how;                         /* of every plan; policy::balanced; previous is not looked at */
  std::uint32_t num_windows = 8;       /* windows that are kept and planned for, at most 32 */
  std::uint32_t steps_per_window = 0;  /* steps after which a window closes by itself; 0 = close_window() alone */
  std::uint32_t spare_buffers = 1;     /* experts of a layer that a GPU can receive beside its slots */
  std::uint32_t max_replicas = 0;      /* replicas that an expert may have; 0 = any number */
  float step_tokens = 0;               /* with machine.cost, tokens of a layer in a step of any window */
  float half_life = 4;                 /* windows after which one counts half; 0 = all since the last change alike */
  float before = 0;                    /* how much windows from before an abrupt change count, 0 to 1 */
  bool gated = false;                  /* prices hold: layers move that earn it. Else all that differ do */
  gate_config prices;                  /* flags 0: the loop sets them, EPLB_GATE_SECONDS with machine.cost */
};

/* What a loop has done so far. */
struct balancer_progress {
  std::uint64_t steps = 0;       /* observed, the most of any layer */
  std::uint64_t plans = 0;       /* made: plan, repair and resize */
  std::uint64_t committed = 0;   /* layers */
  std::uint64_t aborted = 0;     /* layers */
  std::uint64_t moved_slots = 0; /* slots that layers changed when they were committed */
};

namespace detail {

template <class From, class To>
void copy(span<From> from, span<To> to) noexcept {
  if (!from.empty()) std::memcpy(to.data(), from.data(), from.size() * sizeof(To));
}

/* Cuts arrays from a block, or counts what they take when there is none: SIZE_MAX when that is more than there is. */
class carver {
 public:
  explicit carver(std::byte *base) noexcept : base_(base) {}
  template <class T>
  span<T> take(std::size_t count) noexcept {
    align(alignof(T));
    T *const first = base_ == nullptr ? nullptr : reinterpret_cast<T *>(base_ + at_);
    add(product({count, sizeof(T)}));
    return {first, base_ == nullptr ? 0 : count};
  }
  void align(std::size_t to) noexcept { add((to - at_ % to) % to); }
  std::size_t taken() const noexcept { return at_; }

 private:
  void add(std::size_t bytes) noexcept { at_ = bytes > SIZE_MAX - at_ ? SIZE_MAX : at_ + bytes; }

  std::byte *base_;
  std::size_t at_ = 0;
};

/* Bytes of what other functions need. */
struct balancer_parts {
  std::uint64_t tracker = 0, workspace = 0;
};

/* The first words of a saved loop. */
struct balancer_header {
  static constexpr std::uint64_t mark = 0x706f6f6c626c7065u; /* "eplbloop" */
  std::uint64_t marked = 0;
  std::uint32_t version = 0, size = 0; /* EPLB_VERSION, bytes of this struct */
  balancer_config config;              /* its arrays are empty: they lie behind */
  balancer_parts parts;
  eplb::cost cost;
  std::uint32_t given = 0;             /* which gpu_* arrays there are, and the cost, a bit each */
  std::uint32_t proposed = 0;          /* layers of the plan at hand, in `order` */
  std::uint32_t external = 0;          /* experts of it may come from outside */
  std::uint32_t gated = 0;             /* the gate chose its layers */
  std::uint64_t steps_at_gate = 0;
  balancer_progress done;
};

/* Where a layer of the plan at hand is. */
enum : std::uint8_t { balancer_settled, balancer_waits, balancer_prepared };

/* A machine without its arrays. */
inline problem sizes_of(const problem &machine) noexcept {
  problem m;
  m.num_layers = machine.num_layers;
  m.num_logical_experts = machine.num_logical_experts;
  m.num_physical_experts = machine.num_physical_experts;
  m.num_groups = machine.num_groups;
  m.num_nodes = machine.num_nodes;
  m.num_gpus = machine.num_gpus;
  return m;
}

inline tracker_config tracker_of(const balancer_config &config) noexcept {
  tracker_config of;
  of.num_windows = config.num_windows;
  of.num_layers = config.machine.num_layers;
  of.num_logical_experts = config.machine.num_logical_experts;
  of.steps_per_window = config.steps_per_window;
  return of;
}

inline result<balancer_parts> parts_of(const balancer_config &config) noexcept {
  if (config.num_windows > 32) return EPLB_STATUS_TOO_MANY_WINDOWS;
  if (config.prices.flags != 0) return EPLB_STATUS_UNSUPPORTED_FLAG;
  if (!(config.half_life >= 0) || !(config.half_life < HUGE_VALF)) return EPLB_STATUS_FORECAST_OPTION;
  const bool is_step = config.step_tokens >= FLT_MIN && config.step_tokens <= FLT_MAX;
  if (config.machine.cost != nullptr && !is_step) return EPLB_STATUS_STEP_TOKENS;
  const result<layout> of_tracker = tracker_layout(tracker_of(config));
  if (!of_tracker) return of_tracker.status();
  balancer_parts of;
  of.tracker = of_tracker->size;
  problem m = config.machine;
  m.step_tokens = {};
  options how = config.how; /* sizes do not depend on limits, which want a placement in force */
  how.max_moves = how.max_moves_per_gpu_pair = how.target = 0;
  how.flags &= ~flags::fill_only;
  options judging; /* of the gate, with a cost */
  judging.scope = how.scope;
  judging.flags = flags::dispatch;
  for (std::uint32_t windows : {config.num_windows, 1u}) {
    m.num_windows = windows;
    const result<layout> of_calls = workspace_layout(
        {operation::plan, operation::rebalance, operation::evaluate, operation::transfers}, m, how);
    if (!of_calls) return of_calls.status();
    if (of_calls->size > of.workspace) of.workspace = of_calls->size;
    if (m.cost == nullptr) continue;
    const result<layout> of_judging = workspace_layout({operation::evaluate}, m, judging);
    if (!of_judging) return of_judging.status();
    if (of_judging->size > of.workspace) of.workspace = of_judging->size;
  }
  return of;
}

/* The header of a saved loop. */
inline result<balancer_header> header_of(span<const std::byte> saved) noexcept {
  balancer_header h;
  if (saved.size() < sizeof h) return EPLB_STATUS_TRACKER_FOREIGN;
  std::memcpy(static_cast<void *>(&h), saved.data(), sizeof h);
  if (h.marked != h.mark || h.version != EPLB_VERSION || h.size != sizeof h) return EPLB_STATUS_TRACKER_FOREIGN;
  return h;
}

/* All that a loop holds: first what is saved, then what is only at hand during a call. */
struct balancer_state {
  span<balancer_header> header; /* [1] */
  span<float> gpu_speed;
  span<std::uint32_t> gpu_slots, gpu_node;
  span<std::uint8_t> gpu_state;
  span<gate_state> states, next_states;
  span<std::uint64_t> steps; /* [L] */
  span<std::uint32_t> order; /* [L] */
  span<std::uint8_t> at;     /* [L] balancer_settled, .. */
  span<std::int32_t> in_force, next;
  span<std::byte> tracker;
  std::size_t saved = 0;

  span<float> weight, rest; /* [L][W] */
  span<float> step_tokens;  /* [W] */
  span<float> alike;        /* [L][E] loads of nothing that is known */
  span<eplb::metrics> metrics, measured; /* [L] of the plan; of a placement that is judged */
  span<gate_layer> gate_layers;
  span<gate_verdict> verdicts;
  span<std::int32_t> unseen; /* [L][P] */
  span<transfer> transfers;  /* [2P] */
  span<std::uint8_t> seen;   /* [E] */
  span<std::uint32_t> ways;  /* [2N] */
  span<std::byte> workspace;
  std::size_t taken = 0;

  void carve(std::byte *base, const balancer_config &config, const balancer_parts &of) noexcept {
    const problem &m = config.machine;
    const std::size_t layers = m.num_layers, experts = m.num_logical_experts, slots = m.num_physical_experts;
    carver c(base);
    header = c.take<balancer_header>(1);
    gpu_speed = c.take<float>(m.num_gpus);
    gpu_slots = c.take<std::uint32_t>(m.num_gpus);
    gpu_node = c.take<std::uint32_t>(m.num_gpus);
    gpu_state = c.take<std::uint8_t>(m.num_gpus);
    states = c.take<gate_state>(layers);
    next_states = c.take<gate_state>(layers);
    steps = c.take<std::uint64_t>(layers);
    order = c.take<std::uint32_t>(layers);
    at = c.take<std::uint8_t>(layers);
    in_force = c.take<std::int32_t>(product({layers, slots}));
    next = c.take<std::int32_t>(product({layers, slots}));
    c.align(64);
    tracker = c.take<std::byte>(static_cast<std::size_t>(of.tracker));
    saved = c.taken();

    weight = c.take<float>(product({layers, config.num_windows}));
    rest = c.take<float>(product({layers, config.num_windows}));
    step_tokens = c.take<float>(config.num_windows);
    alike = c.take<float>(product({layers, experts}));
    metrics = c.take<eplb::metrics>(layers);
    measured = c.take<eplb::metrics>(layers);
    gate_layers = c.take<gate_layer>(layers);
    verdicts = c.take<gate_verdict>(layers);
    unseen = c.take<std::int32_t>(product({layers, slots}));
    transfers = c.take<transfer>(2 * slots);
    seen = c.take<std::uint8_t>(experts);
    ways = c.take<std::uint32_t>(2 * std::size_t{m.num_nodes});
    c.align(64);
    workspace = c.take<std::byte>(static_cast<std::size_t>(of.workspace));
    taken = c.taken();
  }

  balancer_header &head() const noexcept { return header[0]; }
  std::size_t slots() const noexcept { return head().config.machine.num_physical_experts; }
  template <class T>
  span<T> row(span<T> all, std::size_t layer) const noexcept {
    return {all.data() + layer * slots(), slots()};
  }

  /* The machine, with the arrays that the loop keeps; no loads. */
  problem machine() const noexcept {
    problem m = sizes_of(head().config.machine); /* what was saved may be damaged: no pointer is taken from there */
    const std::uint32_t given = head().given;
    if (given & 1u) m.gpu_speed = gpu_speed;
    if (given & 2u) m.gpu_slots = gpu_slots;
    if (given & 4u) m.gpu_node = gpu_node;
    if (given & 8u) m.gpu_state = gpu_state;
    if (given & 16u) m.cost = &head().cost;
    return m;
  }

  /* Lays the arrays out over memory. */
  result<> lay_out(const balancer_config &config, const balancer_parts &of, span<std::byte> memory) noexcept {
    carve(nullptr, config, of);
    if (memory.size() < taken) return EPLB_STATUS_WORKSPACE_TOO_SMALL;
    if (reinterpret_cast<std::uintptr_t>(memory.data()) % 64 != 0) return EPLB_STATUS_WORKSPACE_MISALIGNED;
    carve(memory.data(), config, of);
    return EPLB_STATUS_OK;
  }

  /* The same, and fills them as they begin. */
  result<> make(const balancer_config &config, span<std::byte> memory) noexcept {
    const result<balancer_parts> of = parts_of(config);
    if (!of) return of.status();
    if (const result<> laid = lay_out(config, *of, memory); !laid) return laid;
    std::memset(memory.data(), 0, taken);
    balancer_header &h = *new (memory.data()) balancer_header;
    h.marked = h.mark;
    h.version = EPLB_VERSION;
    h.size = sizeof h;
    h.config = config;
    h.parts = *of;
    const problem &m = config.machine;
    h.given = (m.gpu_speed.empty() ? 0u : 1u) | (m.gpu_slots.empty() ? 0u : 2u) | (m.gpu_node.empty() ? 0u : 4u) |
              (m.gpu_state.empty() ? 0u : 8u) | (m.cost == nullptr ? 0u : 16u);
    if (m.cost != nullptr) h.cost = *m.cost;
    if (!m.gpu_speed.empty()) copy(m.gpu_speed, gpu_speed);
    if (!m.gpu_slots.empty()) copy(m.gpu_slots, gpu_slots);
    if (!m.gpu_node.empty()) copy(m.gpu_node, gpu_node);
    if (!m.gpu_state.empty()) copy(m.gpu_state, gpu_state);
    h.config.machine = sizes_of(m);
    h.config.how.previous = {};
    const result<eplb::tracker> counting = eplb::tracker::init(tracker_of(config), tracker);
    return counting.status();
  }

  status check_map(span<const std::int32_t> map) const noexcept {
    const std::int64_t experts = head().config.machine.num_logical_experts;
    for (std::int32_t expert : map)
      if (expert < -1 || expert >= experts) return EPLB_STATUS_PLACEMENT_EXPERT;
    return EPLB_STATUS_OK;
  }

  /* What damage could make a later call go astray. */
  status check_saved() const noexcept {
    const result<eplb::windows> found = eplb::tracker(tracker).windows();
    if (!found && found.status() != EPLB_STATUS_TRACKER_EMPTY) return found.status();
    std::uint8_t gated; /* any other value would be no bool */
    std::memcpy(&gated, &head().config.gated, 1);
    if (gated > 1) return EPLB_STATUS_TRACKER_TORN;
    balancer_config config = head().config;
    config.machine = machine();
    const result<balancer_parts> of = parts_of(config);
    if (!of || of->tracker != head().parts.tracker || of->workspace != head().parts.workspace)
      return EPLB_STATUS_TRACKER_TORN;
    const std::size_t layers = at.size();
    if (head().proposed > layers) return EPLB_STATUS_TRACKER_TORN;
    for (std::uint32_t i = 0; i < head().proposed; i++)
      if (order[i] >= layers || at[order[i]] == balancer_settled) return EPLB_STATUS_TRACKER_TORN;
    const bool maps = check_map(in_force) == EPLB_STATUS_OK && check_map(next) == EPLB_STATUS_OK;
    return maps ? EPLB_STATUS_OK : EPLB_STATUS_TRACKER_TORN;
  }

  /* --- the plan at hand --- */

  void append(std::uint32_t layer) noexcept {
    order[head().proposed++] = layer;
    at[layer] = balancer_waits;
  }
  /* The layer waits no more, and stays as it is in force. */
  void leave(std::uint32_t layer) noexcept {
    copy(row(in_force, layer), row(next, layer));
    at[layer] = balancer_settled;
    std::uint32_t kept = 0;
    for (std::uint32_t i = 0; i < head().proposed; i++)
      if (order[i] != layer) order[kept++] = order[i];
    head().proposed = kept;
  }

  bool is_waiting(std::uint32_t layer) const noexcept { return layer < at.size() && at[layer] != balancer_settled; }
  bool differs(std::uint32_t layer) const noexcept {
    return std::memcmp(row(in_force, layer).data(), row(next, layer).data(), slots() * sizeof(std::int32_t)) != 0;
  }
  bool is_fresh(std::uint32_t layer) const noexcept {
    for (std::int32_t expert : row(in_force, layer))
      if (expert >= 0) return false;
    return true;
  }
  std::uint32_t slots_of(std::uint32_t gpu) const noexcept {
    const problem m = machine();
    return m.gpu_slots.empty() ? m.num_physical_experts / m.num_gpus : m.gpu_slots[gpu];
  }
  std::uint32_t node_of(std::uint32_t gpu) const noexcept {
    const problem m = machine();
    return m.gpu_node.empty() ? static_cast<std::uint32_t>(std::uint64_t{gpu} * m.num_nodes / m.num_gpus)
                              : m.gpu_node[gpu];
  }

  /* Experts of a layer that are on no GPU in these states, and with `empty` the empty slots there. */
  std::uint32_t missing(std::uint32_t layer, bool leaving_too, bool empty) noexcept {
    const problem m = machine();
    std::uint32_t lost = m.num_logical_experts, slot = 0;
    for (std::uint8_t &expert : seen) expert = 0;
    const span<const std::int32_t> held = row(in_force, layer);
    for (std::uint32_t gpu = 0; gpu < m.num_gpus; gpu++) {
      const std::uint8_t state = m.gpu_state.empty() ? EPLB_GPU_ALIVE : m.gpu_state[gpu];
      const bool counts = state == EPLB_GPU_ALIVE || (leaving_too && state == EPLB_GPU_LEAVING);
      for (std::uint32_t last = slot + slots_of(gpu); slot < last; slot++) {
        if (!counts) continue;
        if (held[slot] < 0) lost += empty ? 1 : 0;
        else if (seen[static_cast<std::size_t>(held[slot])]++ == 0) lost--;
      }
    }
    return lost;
  }
  bool missing_any() noexcept {
    for (std::uint32_t layer = 0; layer < at.size(); layer++)
      if (missing(layer, true, false) > 0) return true;
    return false;
  }
  /* A limit on moves that does not count the slots that must change anyway. */
  std::uint32_t more_moves(std::uint32_t max_moves) noexcept {
    std::uint32_t most = 0;
    for (std::uint32_t layer = 0; layer < at.size(); layer++) {
      const std::uint32_t more = missing(layer, false, true);
      if (more > most) most = more;
    }
    if (max_moves == 0) return 0;
    if (max_moves == EPLB_MOVES_NONE) return most == 0 ? EPLB_MOVES_NONE : most;
    return max_moves < EPLB_MOVES_NONE - 1 - most ? max_moves + most : EPLB_MOVES_NONE - 1;
  }

  /* GPUs that are dead hold nothing: what they held does not come back with them. */
  void empty_the_dead() noexcept {
    const problem m = machine();
    std::size_t slot = 0;
    for (std::uint32_t gpu = 0; gpu < m.num_gpus; gpu++)
      for (const std::size_t last = slot + slots_of(gpu); slot < last; slot++)
        for (std::size_t layer = 0; layer < at.size() && !m.gpu_state.empty() && m.gpu_state[gpu] == EPLB_GPU_DEAD;
             layer++)
          row(in_force, layer)[slot] = row(next, layer)[slot] = -1;
  }

  /* What another loop has counted and learnt, and what its GPUs hold, as far as these have slots for it. */
  void inherit(const balancer_state &old) noexcept {
    copy(old.tracker, tracker);
    copy(old.states, states);
    copy(old.steps, steps);
    head().done = old.head().done;
    head().steps_at_gate = old.head().steps_at_gate;
    for (std::int32_t &expert : in_force) expert = -1;
    const std::uint32_t gpus = head().config.machine.num_gpus, had = old.head().config.machine.num_gpus;
    std::size_t to = 0, from = 0;
    for (std::uint32_t gpu = 0; gpu < gpus && gpu < had; gpu++) {
      for (std::uint32_t slot = 0; slot < slots_of(gpu) && slot < old.slots_of(gpu); slot++)
        for (std::size_t layer = 0; layer < at.size(); layer++)
          row(in_force, layer)[to + slot] = old.row(old.in_force, layer)[from + slot];
      to += slots_of(gpu);
      from += old.slots_of(gpu);
    }
    copy(in_force, next);
    empty_the_dead();
  }
};

} // namespace detail
} // inline namespace
} // namespace eplb

#endif /* EPLB_BALANCER_STATE_HPP */
