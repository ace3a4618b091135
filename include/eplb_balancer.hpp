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
 * Nothing allocates, throws or blocks, and there is no thread: one call at a time. saved() is all that is to be kept
 * of a loop: plain data without pointers, taken up by resume() at any address, by a program built as this one was.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef EPLB_BALANCER_HPP
#define EPLB_BALANCER_HPP

#include "eplb_balancer_state.hpp"

namespace eplb {
#ifdef __cpp_lib_span
inline namespace with_std_span {
#else
inline namespace with_own_span {
#endif

class balancer {
 public:
  constexpr balancer() noexcept = default;

  /* What the memory of a loop must be: 12 L P + 4 L W E bytes and a workspace, about. The status is that of the first
     call of a loop that would be refused for its sizes. */
  static result<layout> memory_layout(const balancer_config &config) noexcept {
    const result<detail::balancer_parts> of = detail::parts_of(config);
    if (!of) return of.status();
    return layout_of(config, *of);
  }

  /*
   A loop that has seen nothing, in memory as memory_layout says. in_force [L][P] is any map that an engine starts with,
   -1 = empty slot (EPLB_STATUS_PLACEMENT_EXPERT: neither that nor an expert); where nothing of a layer is loaded, the
   first plan places it from nothing. A loop that was not started, resumed or resized can only be assigned to.
   */
  static result<balancer> start(const balancer_config &config, span<const std::int32_t> in_force,
                                span<std::byte> memory) noexcept {
    balancer loop;
    if (const result<> made = loop.own_.make(config, memory); !made) return made.status();
    if (in_force.size() != loop.own_.in_force.size()) return EPLB_STATUS_ARRAY_LENGTH;
    if (const status bad = loop.own_.check_map(in_force); bad != EPLB_STATUS_OK) return bad;
    detail::copy(in_force, loop.own_.in_force);
    detail::copy(in_force, loop.own_.next);
    loop.own_.empty_the_dead();
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
    const result<detail::balancer_header> h = detail::header_of(saved);
    if (!h) return h.status();
    return layout_of(h->config, h->parts);
  }

  /* The loop that was saved, in memory as memory_layout(saved) says. A layer that was prepared then is so still: abort
     it unless its weights have arrived. Checks all that a later call relies on (EPLB_STATUS_TRACKER_TORN). */
  static result<balancer> resume(span<const std::byte> saved, span<std::byte> memory) noexcept {
    const result<detail::balancer_header> h = detail::header_of(saved);
    if (!h) return h.status();
    balancer loop;
    if (const result<> laid = loop.own_.lay_out(h->config, h->parts, memory); !laid) return laid.status();
    if (saved.size() != loop.own_.saved) return EPLB_STATUS_TRACKER_TORN;
    std::memcpy(memory.data(), saved.data(), saved.size());
    if (const status bad = loop.own_.check_saved(); bad != EPLB_STATUS_OK) return bad;
    return loop;
  }

  /* --- what is known --- */

  span<const std::int32_t> in_force() const noexcept { return own_.in_force; } /* [L][P] */
  span<const std::int32_t> proposed() const noexcept { return own_.next; }     /* [L][P]; what stays is as in force */
  span<const eplb::metrics> plan_metrics() const noexcept { return own_.metrics; } /* [L] of the last plan; not saved */
  balancer_progress progress() const noexcept { return head().done; }

  problem machine() const noexcept { return own_.machine(); } /* with the arrays that the loop keeps; no loads */

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
    return counted(layer, tracker(own_.tracker).observe(layer, counts, own_.row(own_.in_force, layer)));
  }
  /* Closes the open window; EPLB_STATUS_TRACKER_EMPTY when nothing was observed since the last one. */
  result<> close_window() noexcept { return tracker(own_.tracker).close(); }
  /* Forgets the open window: after the warm-up, or a batch that is not like others. */
  result<> discard_window() noexcept { return tracker(own_.tracker).discard(); }

  /* --- planning --- */

  /*
   Plans on the windows that count, from what is in force and within the limits of the config; when gated, the layers
   that earn their move wait, in the order of what they earn, else all that differ. Layers of a plan at hand are
   aborted.
   EPLB_STATUS_TRACKER_EMPTY while no window is closed, and nothing changes; else what eplb_plan and eplb_gate answer:
   refused by them, no plan is at hand, and what is in force stays. Takes as long as eplb_plan for L layers, when gated
   for 2 L.
   */
  result<> plan() noexcept {
    const result<eplb::windows> seen = tracker(own_.tracker).windows();
    if (!seen) return seen.status();
    if (const result<> weighed = weigh(*seen); !weighed) return weighed;
    const problem on = weighted(machine().on(*seen));
    if (const result<> made = propose(on, head().config.how); !made) return made;
    if (head().config.gated && !own_.missing_any()) return through_the_gate(on, *seen);
    take_all(false); /* what is not served is loaded at any price */
    return EPLB_STATUS_OK;
  }

  /*
   Takes over the states of the GPUs, [G] EPLB_GPU_* or a mask of the dead, and plans only what must move for it: each
   expert that is on no GPU that stays gets a slot. plan() then balances what is left. GPUs that are dead are empty, and
   so are they when they come back. external_source: experts of which no copy is left are loaded from outside; else
   EPLB_STATUS_SOURCE_LOST. Layers of a plan at hand are aborted. Refused by eplb_plan, no plan is at hand, and what is
   in force and the states stay; EPLB_STATUS_ARRAY_LENGTH changes nothing.
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
    own_.empty_the_dead();
    take_all(external_source);
    return EPLB_STATUS_OK;
  }

  /*
   The loop on another machine: new ranks come after the old ones with empty slots, the last ranks go; a GPU keeps what
   it has slots for. What was counted
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
    if (const result<> made = loop.own_.make(config, memory); !made) return made.status();
    loop.own_.inherit(old.own_);
    options how = config.how;
    how.max_moves_per_gpu_pair = 0;
    if (external_source) how.flags = how.flags | flags::external_source;
    how.max_moves = loop.own_.more_moves(how.max_moves);
    if (const result<> made = loop.propose_known(loop.machine(), how); !made) return made.status();
    loop.take_all(external_source);
    return loop;
  }

  /* --- moving --- */

  /*
   Begins to move a layer that waits: what has to travel, in rounds, until the next call. commit() or abort() ends it;
   what is in force stays. EPLB_STATUS_ARRAY_LENGTH: the layer does not wait. EPLB_STATUS_NEEDS_BUFFER: spare_buffers
   are too few; the layer still waits.
   */
  result<span<const transfer>> prepare(std::uint32_t layer) noexcept {
    if (!own_.is_waiting(layer)) return EPLB_STATUS_ARRAY_LENGTH;
    const result<transfer_totals> totals = moves_of(layer, head().config.spare_buffers);
    if (!totals) return totals.status();
    own_.at[layer] = detail::balancer_prepared;
    for (std::uint32_t i = 0; i < totals->count; i++) own_.transfers[i].layer = static_cast<std::int32_t>(layer);
    return span<const transfer>(own_.transfers.data(), totals->count);
  }

  /* The weights of a layer are where the plan has them: it is in force from now on. EPLB_STATUS_ARRAY_LENGTH: the layer
     was not prepared. */
  result<> commit(std::uint32_t layer) noexcept {
    if (!own_.is_waiting(layer) || own_.at[layer] != detail::balancer_prepared) return EPLB_STATUS_ARRAY_LENGTH;
    take_over(layer);
    return EPLB_STATUS_OK;
  }
  /* All that wait, prepared or not: for an engine that moves all at once. */
  void commit_all() noexcept {
    while (head().proposed > 0) take_over(own_.order[0]);
  }

  /* Gives a layer up, prepared or not: what was in force stays so. EPLB_STATUS_ARRAY_LENGTH: it does not wait. */
  result<> abort(std::uint32_t layer) noexcept {
    if (!own_.is_waiting(layer)) return EPLB_STATUS_ARRAY_LENGTH;
    own_.leave(layer);
    head().done.aborted++;
    return EPLB_STATUS_OK;
  }
  void abort_all() noexcept {
    while (head().proposed > 0) (void)abort(own_.order[0]);
  }

 private:
  static result<layout> layout_of(const balancer_config &config, const detail::balancer_parts &of) noexcept {
    detail::balancer_state counted;
    counted.carve(nullptr, config, of);
    return layout{counted.taken, 64};
  }
  detail::balancer_header &head() const noexcept { return own_.head(); }

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

  /* With a cost, how many tokens a step has in each window. */
  problem in_steps(problem on) const noexcept {
    if (on.cost == nullptr) return on;
    for (float &tokens : own_.step_tokens) tokens = head().config.step_tokens;
    on.step_tokens = {own_.step_tokens.data(), on.num_windows};
    return on;
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
    placement maps;
    maps.physical_to_logical = into;
    maps.max_replicas = head().config.max_replicas;
    how.previous = {};
    if (own_.is_fresh(layer)) { /* nothing is loaded: from nothing, whatever the limits */
      how.max_moves = how.max_moves_per_gpu_pair = how.target = 0;
      how.flags &= ~flags::fill_only;
    } else {
      how.previous = own_.in_force;
    }
    return eplb::plan(in_steps(on).layer(layer), how, own_.workspace, maps, measured);
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
  void take_all(bool external) noexcept {
    take(external);
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++)
      if (own_.differs(layer)) own_.append(layer);
  }

  /* Those are to move that earn it, judged in the newest window, which for that is left out of the plan. */
  result<> through_the_gate(const problem &on, const eplb::windows &seen) noexcept {
    if (const result<> judged = judge(on, seen); !judged) return forget(judged);
    detail::copy(own_.states, own_.next_states);
    gate_config prices = head().config.prices;
    prices.num_gpus = head().config.machine.num_gpus;
    if (on.cost != nullptr) prices.flags = EPLB_GATE_SECONDS;
    prices.steps_since = static_cast<double>(head().done.steps - head().steps_at_gate);
    const result<gate_total> total = gate(prices, own_.gate_layers, own_.next_states, own_.verdicts);
    if (!total) return forget(total.status());
    head().steps_at_gate = head().done.steps;
    take(false);
    for (std::uint32_t place = 0; place < own_.at.size(); place++)
      for (std::uint32_t layer = 0; layer < own_.at.size(); layer++)
        if (own_.verdicts[layer].move_layer != 0 && own_.verdicts[layer].order == place && own_.differs(layer))
          own_.append(layer);
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++)
      if (own_.at[layer] == detail::balancer_settled) {
        detail::copy(own_.row(own_.in_force, layer), own_.row(own_.next, layer));
        own_.states[layer] = own_.next_states[layer];
      }
    head().gated = 1;
    return EPLB_STATUS_OK;
  }

  /* What all wait for: with a cost the seconds of a step, dispatched. */
  static double waits(const problem &in, const eplb::metrics &found) noexcept {
    return in.cost == nullptr ? found.max_gpu_load : found.dispatch_seconds;
  }

  /* What the gate asks of each layer. */
  result<> judge(const problem &on, const eplb::windows &seen) noexcept {
    const std::size_t count = seen.num_windows, newest = (seen.oldest + count - 1) % count;
    const std::size_t window = detail::product({own_.at.size(), seen.num_logical_experts});
    problem last = machine();
    last.load = {seen.load.data() + newest * seen.load_window_stride, window};
    if (const result<> now = measure(last, own_.in_force); !now) return now;
    for (std::size_t layer = 0; layer < own_.at.size(); layer++) {
      gate_layer &to = own_.gate_layers[layer];
      to = gate_layer{};
      const eplb::metrics &found = own_.measured[layer];
      to.mean = last.cost == nullptr ? found.mean_gpu_load : found.mean_gpu_seconds;
      to.now = waits(last, found);
      for (std::size_t e = 0; e < seen.num_logical_experts; e++)
        to.tokens += last.load[layer * seen.num_logical_experts + e];
    }
    if (const result<> made = propose_unseen(on, count, newest); !made) return made;
    if (const result<> after = measure(last, own_.unseen); !after) return after;
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++) {
      own_.gate_layers[layer].after = waits(last, own_.measured[layer]);
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
      if (const result<> made = propose_layer(on, head().config.how, layer, own_.unseen, own_.measured); !made)
        return made;
    return EPLB_STATUS_OK;
  }

  result<> measure(problem in, span<const std::int32_t> placed) noexcept {
    options how;
    how.scope = head().config.how.scope;
    if (in.cost != nullptr) how.flags = flags::dispatch;
    return evaluate(in_steps(in), how, own_.workspace, placed, own_.measured);
  }

  /* What the move of a layer has to carry. As many buffers as there are slots: prepare tells whether fewer will do. */
  result<> price(std::uint32_t layer) noexcept {
    std::uint32_t most = 0;
    for (std::uint32_t gpu = 0; gpu < head().config.machine.num_gpus; gpu++)
      if (own_.slots_of(gpu) > most) most = own_.slots_of(gpu);
    const result<transfer_totals> totals = moves_of(layer, most);
    if (!totals) return totals.status();
    own_.gate_layers[layer].moved = totals->moved;
    own_.gate_layers[layer].rounds = totals->rounds;
    if (!(head().config.prices.node_bandwidth > 0)) return EPLB_STATUS_OK;
    const std::uint32_t nodes = head().config.machine.num_nodes;
    for (std::uint32_t &way : own_.ways) way = 0;
    for (std::uint32_t i = 0; i < totals->count; i++) {
      const transfer &one = own_.transfers[i];
      const std::uint32_t to = own_.node_of(static_cast<std::uint32_t>(one.destination_gpu));
      const std::uint32_t from = one.source_gpu < 0 ? nodes : own_.node_of(static_cast<std::uint32_t>(one.source_gpu));
      if (from == to) continue;
      own_.ways[nodes + to]++;
      if (from < nodes) own_.ways[from]++;
    }
    for (std::uint32_t way : own_.ways)
      if (way > own_.gate_layers[layer].node_rounds) own_.gate_layers[layer].node_rounds = way;
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
    for (std::uint32_t layer = 0; layer < own_.at.size(); layer++) fresh = fresh || own_.is_fresh(layer);
    head().external = external || from_outside || fresh ? 1 : 0;
    head().gated = 0;
    head().done.plans++;
  }
  /* No plan is at hand. */
  result<> forget(result<> why) noexcept {
    detail::copy(own_.in_force, own_.next);
    return why;
  }

  void take_over(std::uint32_t layer) noexcept {
    const span<std::int32_t> held = own_.row(own_.in_force, layer), next = own_.row(own_.next, layer);
    for (std::size_t slot = 0; slot < held.size(); slot++)
      if (held[slot] != next[slot]) head().done.moved_slots++;
    detail::copy(next, held);
    if (head().gated != 0) own_.states[layer] = own_.next_states[layer];
    head().done.committed++;
    own_.leave(layer);
  }
  detail::balancer_state own_;
};

} // inline namespace
} // namespace eplb

#endif /* EPLB_BALANCER_HPP */
