/*
 * eplb_balancer.hpp: the loop around a placement in force, as one object on memory of the caller's. C++17, header-only.
 *
 * Counts tokens, plans from the placement in force, weighs what moving costs, and takes layers over one by one:
 *
 *   eplb::balancer_config config;
 *   config.machine = machine;                                       // sizes and GPUs, no loads
 *   auto memory = eplb::allocate(eplb::balancer::memory_layout(config));
 *   auto loop = eplb::balancer::start(config, in_force, *memory);   // [L][P], -1 = empty
 *   ... every step, every layer: loop->observe(layer, counts); now and then loop->close_window(), loop->plan();
 *   while (!loop->waiting().empty()) {
 *     const std::uint32_t layer = loop->waiting()[0];
 *     auto moves = loop->prepare(layer);                            // what travels, in rounds
 *     ... move the weights ...
 *     loop->commit(layer);                                          // or abort(layer)
 *   }
 *
 * What is in force changes with commit alone: whatever ends between prepare and commit loses nothing. Ranks that make
 * the same calls have the same placements, so each can run a loop of its own; eplb::digest of in_force() compares them.
 *
 * Nothing allocates, throws or blocks, and there is no thread: one call at a time. saved() is all that is to be kept of a
 * loop: plain data without pointers, taken up by resume() at any address, by a program built as this one was.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef EPLB_BALANCER_HPP
#define EPLB_BALANCER_HPP

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
  problem machine;                     /* layers, experts, slots, groups, nodes and GPUs; loads are not looked at */
  options how;                         /* of every plan; policy::balanced; previous is not looked at */
  std::uint32_t num_windows = 8;       /* windows that are kept and planned for, at most 32 */
  std::uint32_t steps_per_window = 0;  /* steps after which a window closes by itself; 0 = close_window() alone does it */
  std::uint32_t spare_buffers = 1;     /* experts of a layer that a GPU can receive beside its slots */
  float half_life = 4;                 /* windows after which one counts half; 0 = all since the last change alike */
  float before = 0;                    /* how much windows from before an abrupt change count, 0 to 1 */
  bool gated = false;                  /* prices hold: layers move that earn it. Else all that differ do */
  gate_config prices;
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

/* Cuts arrays from a block, or counts what they take when there is none. */
class carver {
 public:
  explicit carver(std::byte *base) noexcept : base_(base) {}
  template <class T>
  span<T> take(std::size_t count) noexcept {
    at_ = (at_ + alignof(T) - 1) / alignof(T) * alignof(T);
    T *const first = base_ == nullptr ? nullptr : reinterpret_cast<T *>(base_ + at_);
    at_ += count * sizeof(T);
    return {first, base_ == nullptr ? 0 : count};
  }
  void align() noexcept { at_ = (at_ + 63) / 64 * 64; }
  std::size_t taken() const noexcept { return at_; }

 private:
  std::byte *base_;
  std::size_t at_ = 0;
};

/* The first words of a saved loop. */
struct balancer_header {
  static constexpr std::uint64_t mark = 0x706f6f6c626c7065u; /* "eplbloop" */
  std::uint64_t marked = 0;
  std::uint32_t version = 0, size = 0; /* EPLB_VERSION, bytes of this struct */
  balancer_config config;              /* its arrays are empty: they lie behind */
  std::uint32_t given = 0;             /* which gpu_* arrays there are, a bit each */
  std::uint32_t proposed = 0;          /* layers of the plan at hand, in `order` */
  std::uint32_t external = 0;          /* experts of it may come from outside */
  std::uint32_t gated = 0;             /* the gate chose its layers */
  std::uint64_t steps_at_gate = 0;
  balancer_progress done;
};

/* All that a loop holds: first what is saved, then what is only at hand during a call. */
struct balancer_arrays {
  span<balancer_header> header;
  span<float> gpu_speed;
  span<std::uint32_t> gpu_slots, gpu_node;
  span<std::uint8_t> gpu_state;
  span<gate_state> states, next_states;
  span<std::uint64_t> steps; /* [L] */
  span<std::uint32_t> order; /* [L] */
  span<std::uint8_t> at;     /* [L] balancer::settled, waiting, prepared */
  span<std::int32_t> in_force, next;
  span<std::byte> tracker;
  std::size_t saved = 0;

  span<float> weight, rest; /* [L][W] */
  span<float> alike;        /* [L][E] loads of nothing that is known */
  span<eplb::metrics> metrics, measured; /* [L] of the plan; of a placement that is judged */
  span<gate_layer> layers;
  span<gate_verdict> verdicts;
  span<std::int32_t> unseen; /* [L][P] */
  span<transfer> transfers;  /* [2P] */
  span<std::uint8_t> seen;   /* [E] */
  span<std::uint32_t> ways;  /* [2N] */
  span<std::byte> workspace;
  std::size_t taken = 0;

  void carve(std::byte *base, const balancer_config &config, std::size_t of_tracker, std::size_t of_workspace) noexcept {
    const problem &m = config.machine;
    const std::size_t layers_ = m.num_layers, experts = m.num_logical_experts, slots = m.num_physical_experts;
    carver c(base);
    header = c.take<balancer_header>(1);
    gpu_speed = c.take<float>(m.num_gpus);
    gpu_slots = c.take<std::uint32_t>(m.num_gpus);
    gpu_node = c.take<std::uint32_t>(m.num_gpus);
    gpu_state = c.take<std::uint8_t>(m.num_gpus);
    states = c.take<gate_state>(layers_);
    next_states = c.take<gate_state>(layers_);
    steps = c.take<std::uint64_t>(layers_);
    order = c.take<std::uint32_t>(layers_);
    at = c.take<std::uint8_t>(layers_);
    in_force = c.take<std::int32_t>(product({layers_, slots}));
    next = c.take<std::int32_t>(product({layers_, slots}));
    c.align();
    tracker = c.take<std::byte>(of_tracker);
    saved = c.taken();

    weight = c.take<float>(product({layers_, config.num_windows}));
    rest = c.take<float>(product({layers_, config.num_windows}));
    alike = c.take<float>(product({layers_, experts}));
    metrics = c.take<eplb::metrics>(layers_);
    measured = c.take<eplb::metrics>(layers_);
    layers = c.take<gate_layer>(layers_);
    verdicts = c.take<gate_verdict>(layers_);
    unseen = c.take<std::int32_t>(product({layers_, slots}));
    transfers = c.take<transfer>(2 * slots);
    seen = c.take<std::uint8_t>(experts);
    ways = c.take<std::uint32_t>(2 * std::size_t{m.num_nodes});
    c.align();
    workspace = c.take<std::byte>(of_workspace);
    taken = c.taken();
  }
};

} // namespace detail

class balancer {
 public:
  constexpr balancer() noexcept = default;

  /* What the memory of a loop must be. The status is that of the first call of a loop that would be refused. */
  static result<layout> memory_layout(const balancer_config &config) noexcept {
    const result<parts> of = parts_of(config);
    if (!of) return of.status();
    detail::balancer_arrays counted;
    counted.carve(nullptr, config, of->tracker, of->workspace);
    return layout{counted.taken, 64};
  }

  /*
   A loop that has seen nothing, in memory as memory_layout says. in_force [L][P] is any map that an engine starts with,
   -1 = empty slot; where nothing of a layer is loaded, the first plan places it from nothing.
   */
  static result<balancer> start(const balancer_config &config, span<const std::int32_t> in_force,
                                span<std::byte> memory) noexcept {
    balancer loop;
    const result<> made = loop.make(config, memory);
    if (!made) return made.status();
    if (in_force.size() != loop.own_.in_force.size()) return EPLB_STATUS_ARRAY_LENGTH;
    if (const status bad = loop.check_map(in_force); bad != EPLB_STATUS_OK) return bad;
    detail::copy(in_force, loop.own_.in_force);
    return loop;
  }

  /* What is to be kept of a loop, between any two calls; the plan at hand included. */
  span<const std::byte> saved() const noexcept {
    return {reinterpret_cast<const std::byte *>(own_.header.data()), own_.header.data() == nullptr ? 0 : own_.saved};
  }

  /*
   What memory a saved loop needs. EPLB_STATUS_TRACKER_FOREIGN for bytes that are no loop of this version, or of
   another kind of machine.
   */
  static result<layout> memory_layout(span<const std::byte> saved) noexcept {
    const result<balancer_config> config = config_of(saved);
    if (!config) return config.status();
    return memory_layout(*config);
  }

  /* The loop that was saved, in memory as memory_layout(saved) says. A layer that was prepared then is so still: abort it
     unless its weights have arrived. Checks all of the tracker (EPLB_STATUS_TRACKER_TORN). */
  static result<balancer> resume(span<const std::byte> saved, span<std::byte> memory) noexcept {
    const result<balancer_config> config = config_of(saved);
    if (!config) return config.status();
    balancer loop;
    const result<> made = loop.make(*config, memory);
    if (!made) return made.status();
    if (saved.size() != loop.own_.saved) return EPLB_STATUS_TRACKER_TORN;
    std::memcpy(memory.data(), saved.data(), saved.size());
    if (const status bad = loop.check_saved(); bad != EPLB_STATUS_OK) return bad;
    return loop;
  }

  /* --- what is known --- */

  span<const std::int32_t> in_force() const noexcept { return own_.in_force; } /* [L][P] */
  span<const std::int32_t> proposed() const noexcept { return own_.next; }     /* [L][P]; layers that stay as in force */
  span<const eplb::metrics> plan_metrics() const noexcept { return own_.metrics; } /* [L] of the last plan; not saved */
  balancer_progress progress() const noexcept { return head().done; }

  /* The machine, with the arrays that the loop keeps; no loads. */
  problem machine() const noexcept {
    problem m = head().config.machine;
    const std::uint32_t given = head().given;
    if (given & 1u) m.gpu_speed = own_.gpu_speed;
    if (given & 2u) m.gpu_slots = own_.gpu_slots;
    if (given & 4u) m.gpu_node = own_.gpu_node;
    if (given & 8u) m.gpu_state = own_.gpu_state;
    return m;
  }

  /* The layers of the plan at hand that are neither committed nor aborted, the most worthwhile first. The list changes
     with commit and abort: take them from the front, or walk over a copy. */
  span<const std::uint32_t> waiting() const noexcept { return {own_.order.data(), head().proposed}; }

  /* --- counting --- */

  /* Adds the tokens of one step of one layer: [E] of logical experts. */
  result<> observe(std::uint32_t layer, span<const std::uint32_t> counts) noexcept {
    return counted(layer, tracker(own_.tracker).observe(layer, counts));
  }
  /* The same, [P] of slots under the placement in force. */
  result<> observe_slots(std::uint32_t layer, span<const std::uint32_t> counts) noexcept {
    if (layer >= own_.steps.size()) return EPLB_STATUS_TRACKER_LAYER;
    return counted(layer, tracker(own_.tracker).observe(layer, counts, row(own_.in_force, layer)));
  }
  /* Closes the open window; EPLB_STATUS_TRACKER_EMPTY when nothing was observed since the last one. */
  result<> close_window() noexcept { return tracker(own_.tracker).close(); }
  /* Forgets the open window: after the warm-up, or a batch that is not like others. */
  result<> discard_window() noexcept { return tracker(own_.tracker).discard(); }

  /* --- planning --- */

  /*
   Plans on the windows that count, from what is in force and within the limits of the config; when gated, the layers
   that earn their move wait, in the order of what they earn, else all that differ. Layers of a plan at hand are aborted.
   EPLB_STATUS_TRACKER_EMPTY while no window is closed. Refused, nothing changes.
   */
  result<> plan() noexcept {
    const result<eplb::windows> seen = tracker(own_.tracker).windows();
    if (!seen) return seen.status();
    if (const result<> weighed = weigh(*seen); !weighed) return weighed;
    const problem on = weighted(machine().on(*seen));
    if (const result<> made = propose(on, head().config.how); !made) return made;
    if (!head().config.gated || missing_any()) return take_all(false);
    return through_the_gate(on, *seen);
  }

  /*
   Takes over the states of the GPUs, [G] EPLB_GPU_* or a mask of the dead, and plans only what must move for it: each
   expert that is on no GPU that stays gets a slot. plan() then balances what is left. external_source: experts of which
   no copy is left are loaded from outside; else EPLB_STATUS_SOURCE_LOST. Layers of a plan at hand are aborted. Refused,
   nothing changes.
   */
  result<> repair(span<const std::uint8_t> gpu_state, bool external_source = false) noexcept {
    options how = head().config.how;
    how.max_moves = EPLB_MOVES_NONE;
    how.max_moves_per_gpu_pair = how.target = 0;
    if (external_source) how.flags = how.flags | flags::external_source;
    problem m = machine();
    m.gpu_state = gpu_state;
    if (gpu_state.size() != m.num_gpus) return EPLB_STATUS_ARRAY_LENGTH;
    if (const result<> made = propose_known(m, how); !made) return made;
    detail::copy(gpu_state, own_.gpu_state);
    head().given |= 8u;
    return take_all(external_source);
  }

  /*
   The loop on another machine: new ranks come after the old ones with empty slots, the last ranks go. What was counted
   and learnt stays, and a plan waits that fills the new slots and houses what has lost its slot; neither counts against
   max_moves. config is that of the new loop, whose memory is another than that of `old`, which stays as it is; layers,
   experts, windows and steps_per_window must be the same (EPLB_STATUS_ARRAY_LENGTH).
   */
  static result<balancer> resized(const balancer &old, const balancer_config &config, span<std::byte> memory,
                                  bool external_source = false) noexcept {
    const balancer_config &was = old.head().config;
    const bool alike = was.machine.num_layers == config.machine.num_layers &&
                       was.machine.num_logical_experts == config.machine.num_logical_experts &&
                       was.num_windows == config.num_windows && was.steps_per_window == config.steps_per_window;
    if (!alike) return EPLB_STATUS_ARRAY_LENGTH;
    balancer loop;
    if (const result<> made = loop.make(config, memory); !made) return made.status();
    loop.inherit(old);
    options how = config.how;
    how.max_moves_per_gpu_pair = 0;
    if (external_source) how.flags = how.flags | flags::external_source;
    if (how.max_moves != 0) how.max_moves = loop.more_moves(how.max_moves);
    if (const result<> made = loop.propose_known(loop.machine(), how); !made) return made.status();
    if (const result<> taken = loop.take_all(external_source); !taken) return taken.status();
    return loop;
  }

  /* --- moving --- */

  /*
   Begins to move a layer that waits: what has to travel, in rounds, until the next call. commit() or abort() ends it;
   what is in force stays. EPLB_STATUS_ARRAY_LENGTH: the layer does not wait. EPLB_STATUS_NEEDS_BUFFER: spare_buffers are
   too few; the layer still waits.
   */
  result<span<const transfer>> prepare(std::uint32_t layer) noexcept {
    if (!is_waiting(layer)) return EPLB_STATUS_ARRAY_LENGTH;
    const result<transfer_totals> totals = moves_of(layer, head().config.spare_buffers);
    if (!totals) return totals.status();
    own_.at[layer] = prepared;
    for (std::uint32_t i = 0; i < totals->count; i++) own_.transfers[i].layer = static_cast<std::int32_t>(layer);
    return span<const transfer>(own_.transfers.data(), totals->count);
  }

  /* The weights of a layer are where the plan has them: it is in force from now on. EPLB_STATUS_ARRAY_LENGTH: the layer
     was not prepared. */
  result<> commit(std::uint32_t layer) noexcept {
    if (!is_waiting(layer) || own_.at[layer] != prepared) return EPLB_STATUS_ARRAY_LENGTH;
    take_over(layer);
    return EPLB_STATUS_OK;
  }
  /* All that wait, prepared or not: for an engine that moves all at once. */
  void commit_all() noexcept {
    while (head().proposed > 0) take_over(own_.order[0]);
  }

  /* Gives a layer up, prepared or not: what was in force stays so. EPLB_STATUS_ARRAY_LENGTH: the layer does not wait. */
  result<> abort(std::uint32_t layer) noexcept {
    if (!is_waiting(layer)) return EPLB_STATUS_ARRAY_LENGTH;
    leave(layer);
    head().done.aborted++;
    return EPLB_STATUS_OK;
  }
  void abort_all() noexcept {
    while (head().proposed > 0) (void)abort(own_.order[0]);
  }

 private:
  enum : std::uint8_t { settled, waits, prepared };

  /* Bytes of what other functions need. */
  struct parts {
    std::size_t tracker = 0, workspace = 0;
  };

  detail::balancer_header &head() const noexcept { return own_.header[0]; }
  std::size_t slots() const noexcept { return head().config.machine.num_physical_experts; }
  template <class T>
  span<T> row(span<T> all, std::size_t layer) const noexcept {
    return {all.data() + layer * slots(), slots()};
  }

  static tracker_config tracker_of(const balancer_config &config) noexcept {
    tracker_config of;
    of.num_windows = config.num_windows;
    of.num_layers = config.machine.num_layers;
    of.num_logical_experts = config.machine.num_logical_experts;
    of.steps_per_window = config.steps_per_window;
    return of;
  }

  static result<parts> parts_of(const balancer_config &config) noexcept {
    if (config.num_windows > 32) return EPLB_STATUS_TOO_MANY_WINDOWS;
    if (!(config.half_life >= 0) || !(config.half_life < HUGE_VALF)) return EPLB_STATUS_FORECAST_OPTION;
    const result<layout> of_tracker = tracker_layout(tracker_of(config));
    if (!of_tracker) return of_tracker.status();
    parts of;
    of.tracker = of_tracker->size;
    problem m = config.machine;
    options how = config.how; /* sizes do not depend on limits, which want a placement in force */
    how.max_moves = how.max_moves_per_gpu_pair = how.target = 0;
    how.flags &= ~flags::fill_only;
    for (std::uint32_t windows : {config.num_windows, 1u}) {
      m.num_windows = windows;
      const result<layout> of_calls = workspace_layout(
          {operation::plan, operation::rebalance, operation::evaluate, operation::transfers}, m, how);
      if (!of_calls) return of_calls.status();
      if (of_calls->size > of.workspace) of.workspace = of_calls->size;
    }
    return of;
  }

  /* Lays the arrays out over memory, and fills them as they begin. */
  result<> make(const balancer_config &config, span<std::byte> memory) noexcept {
    const result<parts> of = parts_of(config);
    if (!of) return of.status();
    own_.carve(nullptr, config, of->tracker, of->workspace);
    if (memory.size() < own_.taken) return EPLB_STATUS_WORKSPACE_TOO_SMALL;
    if (reinterpret_cast<std::uintptr_t>(memory.data()) % 64 != 0) return EPLB_STATUS_WORKSPACE_MISALIGNED;
    std::memset(memory.data(), 0, own_.taken);
    own_ = detail::balancer_arrays();
    own_.carve(memory.data(), config, of->tracker, of->workspace);
    detail::balancer_header &h = *new (memory.data()) detail::balancer_header;
    h.marked = h.mark;
    h.version = EPLB_VERSION;
    h.size = sizeof h;
    h.config = config;
    const problem &m = config.machine;
    h.given = (m.gpu_speed.empty() ? 0u : 1u) | (m.gpu_slots.empty() ? 0u : 2u) | (m.gpu_node.empty() ? 0u : 4u) |
              (m.gpu_state.empty() ? 0u : 8u);
    if (!m.gpu_speed.empty()) detail::copy(m.gpu_speed, own_.gpu_speed);
    if (!m.gpu_slots.empty()) detail::copy(m.gpu_slots, own_.gpu_slots);
    if (!m.gpu_node.empty()) detail::copy(m.gpu_node, own_.gpu_node);
    if (!m.gpu_state.empty()) detail::copy(m.gpu_state, own_.gpu_state);
    h.config.machine = problem{};
    h.config.machine.num_layers = m.num_layers;
    h.config.machine.num_logical_experts = m.num_logical_experts;
    h.config.machine.num_physical_experts = m.num_physical_experts;
    h.config.machine.num_groups = m.num_groups;
    h.config.machine.num_nodes = m.num_nodes;
    h.config.machine.num_gpus = m.num_gpus;
    h.config.how.previous = {};
    const result<tracker> counting = tracker::init(tracker_of(config), own_.tracker);
    return counting.status();
  }

  static result<balancer_config> config_of(span<const std::byte> saved) noexcept {
    detail::balancer_header h;
    if (saved.size() < sizeof h) return EPLB_STATUS_TRACKER_FOREIGN;
    std::memcpy(static_cast<void *>(&h), saved.data(), sizeof h);
    if (h.marked != h.mark || h.version != EPLB_VERSION || h.size != sizeof h) return EPLB_STATUS_TRACKER_FOREIGN;
    return h.config;
  }

  status check_map(span<const std::int32_t> map) const noexcept {
    const std::int64_t experts = head().config.machine.num_logical_experts;
    for (std::int32_t expert : map)
      if (expert < -1 || expert >= experts) return EPLB_STATUS_PLACEMENT_EXPERT;
    return EPLB_STATUS_OK;
  }

  /* What damage could make a later call go astray. */
  status check_saved() const noexcept {
    const result<eplb::windows> seen = tracker(own_.tracker).windows();
    if (!seen && seen.status() != EPLB_STATUS_TRACKER_EMPTY) return seen.status();
    const std::size_t layers = own_.at.size();
    if (head().proposed > layers || head().config.machine.num_layers != layers) return EPLB_STATUS_TRACKER_TORN;
    for (std::uint32_t i = 0; i < head().proposed; i++)
      if (own_.order[i] >= layers || own_.at[own_.order[i]] == settled) return EPLB_STATUS_TRACKER_TORN;
    const bool maps = check_map(own_.in_force) == EPLB_STATUS_OK && check_map(own_.next) == EPLB_STATUS_OK;
    return maps ? EPLB_STATUS_OK : EPLB_STATUS_TRACKER_TORN;
  }

  result<> counted(std::uint32_t layer, result<> done) noexcept {
    if (done && ++own_.steps[layer] > head().done.steps) head().done.steps = own_.steps[layer];
    return done;
  }

  /* How much each window counts: since the last abrupt change, and less the older it is. */
  result<> weigh(const eplb::windows &seen) noexcept {
    change told;
    told.before = head().config.before;
    const std::size_t count = seen.num_windows;
    const span<float> weight(own_.weight.data(), detail::product({own_.at.size(), count}));
    if (const result<> judged = window_weights(seen, told, weight); !judged) return judged;
    const float half_life = head().config.half_life;
    for (std::size_t i = 0; half_life > 0 && i < weight.size(); i++) {
      const std::size_t place = i % count, age = (seen.oldest + 2 * count - 1 - place) % count;
      const float faded = weight[i] * static_cast<float>(std::exp2(-static_cast<double>(age) / half_life));
      weight[i] = weight[i] > 0 && faded < 0x1p-100f ? 0x1p-100f : faded; /* it still counts where it is alone */
    }
    return EPLB_STATUS_OK;
  }

  problem weighted(problem on) const noexcept {
    on.window_weight = {own_.weight.data(), detail::product({own_.at.size(), on.num_windows})};
    return on;
  }

  /* Plans every layer into `next`, and measures it. Refused, no plan is at hand. */
  result<> propose(const problem &on, const options &how) noexcept {
    abort_all();
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++)
      if (const result<> made = propose_layer(on, how, layer, own_.next, own_.metrics); !made) return forget(made);
    return EPLB_STATUS_OK;
  }

  result<> propose_layer(const problem &on, options how, std::uint32_t layer, span<std::int32_t> into,
                         span<eplb::metrics> measured) noexcept {
    if (is_fresh(layer)) { /* nothing is loaded: from nothing, whatever the limits */
      how.max_moves = how.max_moves_per_gpu_pair = how.target = 0;
      how.flags &= ~flags::fill_only;
    } else {
      how.previous = own_.in_force;
    }
    return eplb::plan(on.layer(layer), how, own_.workspace, placement{into}, measured);
  }

  /* The same on what is known: on loads that are all alike while no window is closed. */
  result<> propose_known(const problem &m, const options &how) noexcept {
    const result<eplb::windows> seen = tracker(own_.tracker).windows();
    if (seen) {
      if (const result<> weighed = weigh(*seen); !weighed) return weighed;
      return propose(weighted(m.on(*seen)), how);
    }
    if (seen.status() != EPLB_STATUS_TRACKER_EMPTY) return seen.status();
    problem on = m;
    for (float &load : own_.alike) load = 1;
    on.load = own_.alike;
    return propose(on, how);
  }

  /* All layers that differ are to move. */
  result<> take_all(bool external) noexcept {
    take(external);
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++)
      if (differs(layer)) append(layer);
    return EPLB_STATUS_OK;
  }

  /* Those are to move that earn it, judged in the newest window, which for that is left out of the plan. */
  result<> through_the_gate(const problem &on, const eplb::windows &seen) noexcept {
    if (const result<> judged = judge(on, seen); !judged) return forget(judged);
    detail::copy(own_.states, own_.next_states);
    gate_config prices = head().config.prices;
    prices.num_gpus = head().config.machine.num_gpus;
    prices.steps_since = static_cast<double>(head().done.steps - head().steps_at_gate);
    const result<gate_total> total = gate(prices, own_.layers, own_.next_states, own_.verdicts);
    if (!total) return forget(total.status());
    head().steps_at_gate = head().done.steps;
    take(false);
    for (std::uint32_t place = 0; place < own_.at.size(); place++)
      for (std::uint32_t layer = 0; layer < own_.at.size(); layer++)
        if (own_.verdicts[layer].move_layer != 0 && own_.verdicts[layer].order == place && differs(layer)) append(layer);
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++)
      if (own_.at[layer] == settled) {
        detail::copy(row(own_.in_force, layer), row(own_.next, layer));
        own_.states[layer] = own_.next_states[layer];
      }
    head().gated = 1;
    return EPLB_STATUS_OK;
  }

  /* What the gate asks of each layer. */
  result<> judge(const problem &on, const eplb::windows &seen) noexcept {
    const std::size_t count = seen.num_windows, newest = (seen.oldest + count - 1) % count;
    const std::size_t window = detail::product({own_.at.size(), seen.num_logical_experts});
    problem last = machine();
    last.load = {seen.load.data() + newest * seen.load_window_stride, window};
    if (const result<> now = measure(last, own_.in_force); !now) return now;
    for (std::size_t layer = 0; layer < own_.at.size(); layer++) {
      gate_layer &to = own_.layers[layer];
      to = gate_layer{};
      to.mean = own_.measured[layer].mean_gpu_load;
      to.now = own_.measured[layer].max_gpu_load;
      for (std::size_t e = 0; e < seen.num_logical_experts; e++)
        to.tokens += last.load[layer * seen.num_logical_experts + e];
    }
    if (const result<> made = propose_unseen(on, count, newest); !made) return made;
    if (const result<> after = measure(last, own_.unseen); !after) return after;
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++) {
      own_.layers[layer].after = own_.measured[layer].max_gpu_load;
      if (const result<> priced = price(layer); !priced) return priced;
    }
    return EPLB_STATUS_OK;
  }

  /* A placement like the plan's, made without the newest window where there are others that count. */
  result<> propose_unseen(problem on, std::size_t count, std::size_t newest) noexcept {
    for (std::size_t layer = 0; layer < own_.at.size(); layer++) {
      float *const rest = own_.rest.data() + layer * count;
      bool others = false;
      for (std::size_t w = 0; w < count; w++) {
        rest[w] = own_.weight[layer * count + w];
        others = others || (w != newest && rest[w] > 0);
      }
      if (others) rest[newest] = 0;
    }
    on.window_weight = {own_.rest.data(), detail::product({own_.at.size(), count})};
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++)
      if (const result<> made = propose_layer(on, head().config.how, layer, own_.unseen, own_.measured); !made) return made;
    return EPLB_STATUS_OK;
  }

  result<> measure(const problem &in, span<const std::int32_t> placed) noexcept {
    options how;
    how.scope = head().config.how.scope;
    return evaluate(in, how, own_.workspace, placed, own_.measured);
  }

  /* What the move of a layer has to carry. As many buffers as there are slots: whether fewer will do is told by prepare. */
  result<> price(std::uint32_t layer) noexcept {
    std::uint32_t most = 0;
    for (std::uint32_t gpu = 0; gpu < head().config.machine.num_gpus; gpu++)
      if (slots_of(gpu) > most) most = slots_of(gpu);
    const result<transfer_totals> totals = moves_of(layer, most);
    if (!totals) return totals.status();
    own_.layers[layer].moved = totals->moved;
    own_.layers[layer].rounds = totals->rounds;
    if (!(head().config.prices.node_bandwidth > 0)) return EPLB_STATUS_OK;
    const std::uint32_t nodes = head().config.machine.num_nodes;
    for (std::uint32_t &way : own_.ways) way = 0;
    for (std::uint32_t i = 0; i < totals->count; i++) {
      const transfer &one = own_.transfers[i];
      const std::uint32_t to = node_of(static_cast<std::uint32_t>(one.destination_gpu));
      const std::uint32_t from = one.source_gpu < 0 ? nodes : node_of(static_cast<std::uint32_t>(one.source_gpu));
      if (from == to) continue;
      own_.ways[nodes + to]++;
      if (from < nodes) own_.ways[from]++;
    }
    for (std::uint32_t way : own_.ways)
      if (way > own_.layers[layer].node_rounds) own_.layers[layer].node_rounds = way;
    return EPLB_STATUS_OK;
  }

  result<transfer_totals> moves_of(std::uint32_t layer, std::uint32_t spare_buffers) noexcept {
    options how;
    if (head().external != 0) how.flags = flags::external_source;
    return transfers(machine().layer(layer), how, own_.workspace, own_.in_force, own_.next, spare_buffers,
                     transfer_list{own_.transfers});
  }

  /* A plan is at hand; its layers are appended. */
  void take(bool external) noexcept {
    const bool from_outside = (head().config.how.flags & flags::external_source) == flags::external_source;
    bool fresh = false;
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++) fresh = fresh || is_fresh(layer);
    head().external = external || from_outside || fresh ? 1 : 0;
    head().gated = 0;
    head().done.plans++;
  }
  void append(std::uint32_t layer) noexcept {
    own_.order[head().proposed++] = layer;
    own_.at[layer] = waits;
  }
  /* No plan is at hand. */
  result<> forget(result<> why) noexcept {
    detail::copy(own_.in_force, own_.next);
    return why;
  }

  void take_over(std::uint32_t layer) noexcept {
    const span<std::int32_t> held = row(own_.in_force, layer), next = row(own_.next, layer);
    for (std::size_t slot = 0; slot < held.size(); slot++)
      if (held[slot] != next[slot]) head().done.moved_slots++;
    detail::copy(next, held);
    if (head().gated != 0) own_.states[layer] = own_.next_states[layer];
    head().done.committed++;
    leave(layer);
  }
  /* The layer waits no more, and stays as it is in force. */
  void leave(std::uint32_t layer) noexcept {
    detail::copy(row(own_.in_force, layer), row(own_.next, layer));
    own_.at[layer] = settled;
    std::uint32_t kept = 0;
    for (std::uint32_t i = 0; i < head().proposed; i++)
      if (own_.order[i] != layer) own_.order[kept++] = own_.order[i];
    head().proposed = kept;
  }

  bool is_waiting(std::uint32_t layer) const noexcept { return layer < own_.at.size() && own_.at[layer] != settled; }
  bool differs(std::uint32_t layer) const noexcept {
    return std::memcmp(row(own_.in_force, layer).data(), row(own_.next, layer).data(), slots() * sizeof(std::int32_t)) != 0;
  }
  bool is_fresh(std::uint32_t layer) const noexcept {
    for (std::int32_t expert : row(own_.in_force, layer))
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
    for (std::uint8_t &expert : own_.seen) expert = 0;
    const span<const std::int32_t> held = row(own_.in_force, layer);
    for (std::uint32_t gpu = 0; gpu < m.num_gpus; gpu++) {
      const std::uint8_t state = m.gpu_state.empty() ? EPLB_GPU_ALIVE : m.gpu_state[gpu];
      const bool counts = state == EPLB_GPU_ALIVE || (leaving_too && state == EPLB_GPU_LEAVING);
      for (std::uint32_t last = slot + slots_of(gpu); slot < last; slot++) {
        if (!counts) continue;
        if (held[slot] < 0) lost += empty ? 1 : 0;
        else if (own_.seen[static_cast<std::size_t>(held[slot])]++ == 0) lost--;
      }
    }
    return lost;
  }
  bool missing_any() noexcept {
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++)
      if (missing(layer, true, false) > 0) return true;
    return false;
  }
  /* A limit that does not count the slots that must change anyway. */
  std::uint32_t more_moves(std::uint32_t max_moves) noexcept {
    std::uint32_t most = 0;
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++) {
      const std::uint32_t more = missing(layer, false, true);
      if (more > most) most = more;
    }
    return max_moves < EPLB_MOVES_NONE - 1 - most ? max_moves + most : EPLB_MOVES_NONE - 1;
  }

  void inherit(const balancer &old) noexcept {
    detail::copy(old.own_.tracker, own_.tracker);
    detail::copy(old.own_.states, own_.states);
    detail::copy(old.own_.steps, own_.steps);
    head().done = old.head().done;
    head().steps_at_gate = old.head().steps_at_gate;
    const std::size_t common = slots() < old.slots() ? slots() : old.slots();
    for (std::size_t layer = 0; layer < own_.at.size(); layer++) {
      const span<std::int32_t> held = row(own_.in_force, layer);
      for (std::size_t slot = 0; slot < held.size(); slot++)
        held[slot] = slot < common ? old.row(old.own_.in_force, layer)[slot] : -1;
    }
  }

  detail::balancer_arrays own_;
};

} // inline namespace
} // namespace eplb

#endif /* EPLB_BALANCER_HPP */
