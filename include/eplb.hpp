/*
 * eplb.hpp: eplb.h for C++17 and later. Header-only, without exceptions and RTTI; every function is noexcept.
 *
 *   - eplb.h is the manual: what a function does, its ties, its cost. Here is what C++ adds.
 *   - Arrays are spans. One whose length is not what the shape says is refused with EPLB_STATUS_ARRAY_LENGTH before
 *     the C function is called. An empty span is an array that is not given.
 *   - What can fail returns result<T>, a status and a value; on anything but OK no output has been touched (check's
 *     *first apart). Why, with the argument and the place in it, is said by explain_X, which takes what X took.
 *   - Nothing allocates but eplb::allocate, which nobody has to call.
 *   - problem.layer(l) selects a layer. Arrays stay whole, [L]: a call reads and writes the rows of the selected
 *     layers alone, so that threads take a layer each, and a workspace each.
 *
 * Letters: L layers, E logical experts, P physical experts (slots), G GPUs, N nodes, K groups, W windows.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef EPLB_HPP
#define EPLB_HPP

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#if __has_include(<version>)
#include <version>
#endif
#ifdef __cpp_lib_span
#include <span>
#endif

#include "eplb.h"

namespace eplb {
// Structs hold spans, so with std::span they are other types than without, and have other names for the linker.
#ifdef __cpp_lib_span
inline namespace with_std_span {
template <class T>
using span = std::span<T>;
#else
inline namespace with_own_span {
/* A view of an array: what is needed of std::span, for C++17. */
template <class T>
class span {
 public:
  constexpr span() noexcept = default;
  constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <std::size_t N>
  constexpr span(T (&array)[N]) noexcept : data_(array), size_(N) {}
  /* Of anything with data() and size(): std::vector, std::array, a span of what is not const. */
  template <class Array, class Element = std::remove_pointer_t<decltype(std::declval<Array &>().data())>,
            class = std::enable_if_t<std::is_convertible_v<Element (*)[], T (*)[]>>>
  constexpr span(Array &&array) noexcept : data_(array.data()), size_(array.size()) {}

  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return data_ + size_; }
  constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }
  constexpr span subspan(std::size_t first, std::size_t count) const noexcept { return {data_ + first, count}; }

 private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};
#endif

// --- results ---------------------------------------------------------------------------------------

/* EPLB_STATUS_OK or one of the negative codes. */
using status = ::eplb_status;

template <class T = void>
class result;

/* What a call without a value answers. */
template <>
class [[nodiscard]] result<void> {
 public:
  constexpr result(eplb::status code) noexcept : status_(code) {}
  constexpr bool ok() const noexcept { return status_ == EPLB_STATUS_OK; }
  constexpr explicit operator bool() const noexcept { return ok(); }
  constexpr eplb::status status() const noexcept { return status_; }
  /* What is wrong and what to change. Static, never null. */
  const char *text() const noexcept { return ::eplb_status_string(status_); }

 private:
  eplb::status status_;
};

/*
 A status and, when it is OK, a value. Reading the value of a failure is a mistake, which stops a debug build (assert);
 under NDEBUG it is T{}. A failure without a value becomes one of any T, and one with another value by its status(). An
 OK without a value is a mistake: EPLB_STATUS_NULL_POINTER.
 */
template <class T>
class [[nodiscard]] result : public result<void> {
 public:
  constexpr result(T value) noexcept : result<void>(EPLB_STATUS_OK), value_(std::move(value)) {}
  constexpr result(result<void> failure) noexcept : result(failure.status()) {}
  constexpr result(eplb::status failure) noexcept
      : result<void>(failure != EPLB_STATUS_OK ? failure : EPLB_STATUS_NULL_POINTER) {}
  template <class Other>
  result(const result<Other> &) = delete; // it would lose its value
  constexpr T &value() & noexcept { return read(value_); }
  constexpr const T &value() const & noexcept { return read(value_); }
  constexpr T &&value() && noexcept { return std::move(read(value_)); }
  constexpr T &operator*() & noexcept { return read(value_); }
  constexpr const T &operator*() const & noexcept { return read(value_); }
  constexpr T &&operator*() && noexcept { return std::move(read(value_)); }
  constexpr T *operator->() noexcept { return &read(value_); }
  constexpr const T *operator->() const noexcept { return &read(value_); }

 private:
  template <class Value>
  constexpr Value &read(Value &value) const noexcept {
    assert(this->ok() && "eplb: the value of a failed result is read");
    return value;
  }

  T value_{};
};

// --- what goes in and out --------------------------------------------------------------------------

/* How a plan is made, which hierarchy it keeps, what a workspace is for: EPLB_POLICY_*, _SCOPE_*, _OPERATION_*. */
enum class policy : std::uint32_t {
  balanced = EPLB_POLICY_BALANCED, deepseek = EPLB_POLICY_DEEPSEEK, multi_swap = EPLB_POLICY_MULTI_SWAP,
  k2_hybrid = EPLB_POLICY_K2_HYBRID, hybrid_argmax = EPLB_POLICY_HYBRID_ARGMAX, peak_aware = EPLB_POLICY_PEAK_AWARE,
  waterfill = EPLB_POLICY_WATERFILL, waterfill_fixup = EPLB_POLICY_WATERFILL_FIXUP
};
enum class scope : std::uint32_t {
  automatic = EPLB_SCOPE_AUTO, hierarchical = EPLB_SCOPE_HIERARCHICAL, global = EPLB_SCOPE_GLOBAL
};
enum class static_split : std::uint32_t { even = EPLB_SPLIT_EVEN, nearest = EPLB_SPLIT_NEAREST };
enum class operation : std::uint32_t {
  plan = EPLB_OPERATION_PLAN, evaluate = EPLB_OPERATION_EVALUATE, check = EPLB_OPERATION_CHECK,
  transfers = EPLB_OPERATION_TRANSFERS, dispatch = EPLB_OPERATION_DISPATCH,
  rebalance = EPLB_OPERATION_REBALANCE, /* plan with a previous placement, though there is none yet */
  number = EPLB_OPERATION_NUMBER, digest = EPLB_OPERATION_DIGEST, /* which need no workspace: for explain */
  replicate = EPLB_OPERATION_REPLICATE
};

/* What else is asked for, or-ed: EPLB_FLAG_*. */
enum class flags : std::uint32_t {
  none = 0, external_source = EPLB_FLAG_EXTERNAL_SOURCE, survive_gpu = EPLB_FLAG_SURVIVE_GPU,
  survive_node = EPLB_FLAG_SURVIVE_NODE, dispatch = EPLB_FLAG_DISPATCH, empty_slots = EPLB_FLAG_EMPTY_SLOTS,
  fill_only = EPLB_FLAG_FILL_ONLY
};
constexpr flags operator|(flags a, flags b) noexcept {
  return static_cast<flags>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr flags operator&(flags a, flags b) noexcept {
  return static_cast<flags>(static_cast<std::uint32_t>(a) & static_cast<std::uint32_t>(b));
}
constexpr flags operator~(flags a) noexcept { return static_cast<flags>(~static_cast<std::uint32_t>(a)); }
constexpr flags &operator|=(flags &a, flags b) noexcept { return a = a | b; }
constexpr flags &operator&=(flags &a, flags b) noexcept { return a = a & b; }

/* C structs that need no span, as they are, ... */
using metrics = ::eplb_metrics;
using violation = ::eplb_violation;
using split = ::eplb_split;
using fetch = ::eplb_fetch;
using replicated = ::eplb_replicated;
using transfer = ::eplb_transfer;
using transfer_totals = ::eplb_transfer_totals;
using gate_layer = ::eplb_gate_layer;
using gate_state = ::eplb_gate_state;
using gate_verdict = ::eplb_gate_verdict;
using gate_total = ::eplb_gate_total;
/* ... and with the size set that C callers set by EPLB_*_INIT; every other field is 0. */
struct gate_config : ::eplb_gate_config {
  gate_config() noexcept : eplb_gate_config EPLB_GATE_CONFIG_INIT {}
};
struct cost : ::eplb_cost {
  cost() noexcept : eplb_cost EPLB_COST_INIT {}
  cost(double token, double expert, double layer) noexcept : cost() { /* seconds */
    token_seconds = token;
    expert_seconds = expert;
    layer_seconds = layer;
  }
};
struct tracker_config : ::eplb_tracker_config {
  tracker_config() noexcept : eplb_tracker_config EPLB_TRACKER_CONFIG_INIT {}
};
struct change : ::eplb_change {
  change() noexcept : eplb_change EPLB_CHANGE_INIT {}
};
struct forecast_options : ::eplb_forecast_options {
  forecast_options() noexcept : eplb_forecast_options EPLB_FORECAST_INIT {}
};

/* Load windows: eplb_windows. The structs from here on are aggregates: windows{.num_windows = 8, ...} in C++20. */
struct windows {
  std::uint32_t num_windows = 1, num_layers = 0, num_logical_experts = 0;
  std::uint32_t oldest = 0;             /* place of the oldest window, below W */
  std::uint64_t load_window_stride = 0; /* elements from one window to the next; 0 = L * E */
  std::uint64_t closed = 0;             /* windows closed since the tracker was made; not looked at when given */
  span<const float> load = {};          /* [W][L][E]; with a stride at least what W windows take */
  span<const float> window_weight = {}; /* [L][W], or empty: all equal */
};

inline constexpr std::uint32_t all_layers = UINT32_MAX; /* selected_layers: from the first selected to the last */

/* What to plan for: eplb_problem. */
struct problem {
  std::uint32_t num_windows = 1, num_layers = 0, num_logical_experts = 0, num_physical_experts = 0;
  std::uint32_t num_groups = 1, num_nodes = 1, num_gpus = 0;
  std::uint64_t load_window_stride = 0;     /* elements from one window to the next; 0 = L * E */
  span<const float> load = {};              /* [W][L][E]; with a stride at least what W windows take */
  span<const float> window_weight = {};     /* [L][W], or empty: all equal */
  span<const float> gpu_speed = {};         /* [G], or empty: all equal */
  span<const std::uint32_t> gpu_slots = {}; /* [G], their sum P, or empty: P / G each */
  span<const std::uint32_t> gpu_node = {};  /* [G] below N, or empty: contiguous */
  span<const std::uint8_t> gpu_state = {};  /* [G] EPLB_GPU_*, or empty: all alive */
  const eplb::cost *cost = nullptr;         /* what a step takes, or nullptr: tokens are what counts */
  span<const float> step_tokens = {};       /* [W], or empty: as many as the loads of the layer sum to */
  std::uint32_t first_layer = 0, selected_layers = all_layers; /* the layers that a call is about */
  status refused = EPLB_STATUS_OK; /* what every call answers, unless OK: on() sets it */

  /* This problem with other layers selected; a call refuses those that are not there. */
  constexpr problem layers(std::uint32_t first, std::uint32_t count) const noexcept {
    problem part = *this;
    part.first_layer = first;
    part.selected_layers = count;
    return part;
  }
  constexpr problem layer(std::uint32_t l) const noexcept { return layers(l, 1); }

  /* This problem with the loads of windows of its L and E, a tracker's or others; of another size they are refused. */
  constexpr problem on(const windows &observed) const noexcept {
    problem loaded = *this;
    loaded.num_windows = observed.num_windows;
    loaded.load_window_stride = observed.load_window_stride;
    loaded.load = observed.load;
    loaded.window_weight = observed.window_weight;
    const bool fits = observed.num_layers == num_layers && observed.num_logical_experts == num_logical_experts;
    loaded.refused = fits ? EPLB_STATUS_OK : EPLB_STATUS_ARRAY_LENGTH;
    return loaded;
  }
};

/* How to plan: eplb_options. */
struct options {
  eplb::policy policy = eplb::policy::balanced;
  eplb::scope scope = eplb::scope::automatic;
  std::uint32_t effort = 0;                  /* 0 = the policy's default */
  std::uint32_t max_moves = 0;               /* with previous: slots that may change per layer; 0 = no limit */
  std::uint32_t max_moves_per_gpu_pair = 0;  /* the same, from one GPU to another */
  std::uint32_t target = 0;                  /* with previous: the balance, in 1/65536, that is enough; 0 = none is */
  eplb::flags flags = eplb::flags::none;     /* or-ed */
  span<const std::int32_t> previous = {};    /* [L][P] placement in force, or empty: plan from nothing */
  static_split split = static_split::even;   /* how the engine splits tokens over replicas */
};

/* The maps of a placement: eplb_placement. All but the first may be empty: not wanted. */
template <class Slot>
struct maps {
  span<Slot> physical_to_logical = {}; /* [L][P] */
  span<Slot> replica_rank = {};        /* [L][P] */
  span<Slot> logical_count = {};       /* [L][E] */
  span<Slot> logical_to_physical = {}; /* [L][E][max_replicas] */
  /* Width of logical_to_physical; P - E + 1 always suffices. Limits the replicas of policy::balanced, with the table or
     without; 0 = no limit, without a table. */
  std::uint32_t max_replicas = 0;
};
using placement = maps<std::int32_t>;            /* to be written */
using placement_view = maps<const std::int32_t>; /* to be read */

/* What number fills of a placement: each may be empty, not wanted. */
struct numbering {
  span<std::int32_t> replica_rank = {};        /* [L][P] */
  span<std::int32_t> logical_count = {};       /* [L][E] */
  span<std::int32_t> logical_to_physical = {}; /* [L][E][max_replicas] */
  std::uint32_t max_replicas = 0;              /* width of logical_to_physical */
};

/* The tokens of a batch: eplb_batch. */
struct batch {
  span<const std::uint32_t> tokens = {}; /* [L][E]; by source [L][G][E] */
  bool by_source = false;                /* every GPU sends its own tokens */
};

/* Where dispatch writes: eplb_quotas. All but the first may be empty: not wanted. */
struct quotas {
  span<std::uint32_t> quota = {};     /* [L][P]; by source [L][G][P] */
  span<std::uint32_t> route_end = {}; /* [L][E][max_replicas]; by source [L][G][E][max_replicas] */
  span<std::int32_t> route_slot = {}; /* [L][E][max_replicas] */
  std::uint32_t max_replicas = 0;     /* width of the routing table */
  span<split> per_layer = {};         /* [L] */
};

/* The tokens of a batch, and what copies may be made for them: eplb_replication. */
struct replication {
  span<const std::uint32_t> tokens = {}; /* [L][E]; by source [L][G][E] */
  bool by_source = false;                /* every GPU sends its own tokens */
  span<const std::int32_t> held = {};    /* [L][P] what spare slots hold from the last batch, or empty: nothing */
  std::uint32_t tolerance = 0;           /* in 1/1024 above the least largest time, at most 2^20 */
  std::uint32_t fetch_tokens = 0;        /* what a fetch costs the GPU that receives it */
  std::uint32_t least_tokens = 0;        /* tokens of a copy that is fetched at least; 0 = 1 */
  std::uint32_t max_fetches_in = 0;      /* of a layer into a GPU; 0 = as many as it has spare slots */
  std::uint32_t max_fetches_out = 0;     /* of a layer out of a GPU; 0 = any number */
};

/* Where replicate writes: eplb_replicas. All but the first two may be empty: not wanted. */
struct replicas {
  span<std::int32_t> physical_to_logical = {}; /* [L][P] */
  span<std::uint32_t> quota = {};              /* [L][P]; by source [L][G][P] */
  span<std::uint32_t> route_end = {};          /* [L][E][max_replicas]; by source [L][G][E][max_replicas] */
  span<std::int32_t> route_slot = {};          /* [L][E][max_replicas] */
  std::uint32_t max_replicas = 0;              /* width of the routing table: with one, no expert has more */
  span<fetch> fetches = {};                    /* room for as many as the selected layers have spare slots */
  span<replicated> per_layer = {};             /* [L]; given where fetches are: it says how many there are */

  /* The quotas and the table: for route. */
  constexpr quotas routes() const noexcept { return {quota, route_end, route_slot, max_replicas, {}}; }
};

/* Where transfers writes, n layers being selected: eplb_transfer_list. Each may be empty: not wanted. */
struct transfer_list {
  span<transfer> transfers = {};         /* room for the list; empty: they are only counted */
  span<std::uint32_t> layer_start = {};  /* [n + 1] first transfer of each layer, and their number at the end */
  span<std::uint32_t> layer_moved = {};  /* [n] transfers of each layer that use a link: gate_layer::moved */
  span<std::uint32_t> layer_rounds = {}; /* [n] rounds of each layer */
};

/* Size and alignment of a block, in bytes. */
struct layout {
  std::size_t size = 0, align = 1;
};

// --- from spans to pointers ------------------------------------------------------------------------

namespace detail {

/* The product, or SIZE_MAX, which no array has. */
constexpr std::size_t product(std::initializer_list<std::size_t> factors) noexcept {
  std::size_t all = 1;
  for (std::size_t factor : factors) all = factor != 0 && all > SIZE_MAX / factor ? SIZE_MAX : all * factor;
  return all;
}

template <class T>
result<T> answer(std::int32_t code, T value) noexcept {
  if (code != EPLB_STATUS_OK) return static_cast<status>(code);
  return value;
}
inline result<> answer(std::int32_t code) noexcept { return static_cast<status>(code); }

/* What is wrong, as far as C does not see it: the name, what it is or has, and the number that it should be. */
struct fault {
  const char *name = "", *verb = "";
  std::size_t given = 0;
  const char *remedy = "";
  std::size_t wanted = 0;
};

/* Compares lengths with a shape, and moves pointers to the layers selected. */
struct lengths {
  std::uint32_t num_layers, first, count;
  status found = EPLB_STATUS_OK;
  fault where;

  lengths(std::uint32_t all, std::uint32_t from = 0, std::uint32_t selected = all_layers) noexcept
      : num_layers(all), first(from), count(selected == all_layers && from <= all ? all - from : selected) {
    if (all > INT32_MAX) // layers are told as int32_t
      refuse(EPLB_STATUS_SHAPE_TOO_LARGE, {"num_layers", " is ", all, ": it is at most ", INT32_MAX});
    if (first > all || count > all - first)
      refuse(EPLB_STATUS_ARRAY_LENGTH,
             {"problem.first_layer", " is ", first, ": with selected_layers that is beyond num_layers, ", all});
  }

  /* The first thing that is wrong counts. */
  void refuse(status why, const fault &what) noexcept {
    if (found != EPLB_STATUS_OK) return;
    found = why;
    where = what;
  }

  /* An array of that length, or none. A length of 0 is of a shape that the C function refuses. */
  template <class T>
  T *array(const char *name, span<T> given, std::size_t length) noexcept {
    if (given.empty()) return nullptr;
    if (length != 0 && given.size() != length)
      refuse(EPLB_STATUS_ARRAY_LENGTH, {name, " has ", given.size(), " elements, the sizes ask for ", length});
    return given.data();
  }
  /* An array [L][width], or none: its first row that is selected. */
  template <class T>
  T *rows(const char *name, span<T> given, std::size_t width) noexcept {
    T *data = array(name, given, product({num_layers, width}));
    return data != nullptr && found == EPLB_STATUS_OK ? data + first * width : nullptr;
  }
  /* Windows [W][L][E], which may lie apart. */
  const float *load(const char *name, span<const float> given, std::uint64_t stride, std::size_t num_windows,
                    std::size_t width) noexcept {
    const std::size_t window = product({num_layers, width});
    if (num_windows == 0) return given.data(); // a shape that the C function refuses
    if (stride == 0) {
      array(name, given, product({num_windows, window}));
    } else if (stride < window) {
      refuse(EPLB_STATUS_WINDOW_STRIDE, {"load_window_stride", " is ", static_cast<std::size_t>(stride),
                                         ": 0, or at least num_layers x num_logical_experts, ", window});
    } else if (!given.empty() && (given.size() < window || (given.size() - window) / stride < num_windows - 1)) {
      const std::size_t apart = product({num_windows - 1, static_cast<std::size_t>(stride)});
      refuse(EPLB_STATUS_ARRAY_LENGTH, {name, " has ", given.size(), " elements, windows that lie apart take ",
                                        apart > SIZE_MAX - window ? SIZE_MAX : apart + window});
    }
    return !given.empty() && found == EPLB_STATUS_OK ? given.data() + first * width : nullptr;
  }
};

/* The structs that most functions take. */
struct call : lengths {
  eplb_problem problem = EPLB_PROBLEM_INIT;
  eplb_options options = EPLB_OPTIONS_INIT;
  eplb_placement placement = EPLB_PLACEMENT_INIT;

  call(const eplb::problem &p, const eplb::options &o) noexcept
      : lengths(p.num_layers, p.first_layer, p.selected_layers) {
    if (p.refused != EPLB_STATUS_OK)
      refuse(p.refused, {"problem.num_layers", " is ", p.num_layers,
                         ", and windows given to on() have other sizes: num_logical_experts is ",
                         p.num_logical_experts});
    const std::uint32_t windows = p.num_windows == 0 ? 1 : p.num_windows; // as the C functions take it
    problem.num_windows = windows;
    problem.num_layers = count;
    problem.num_logical_experts = p.num_logical_experts;
    problem.num_physical_experts = p.num_physical_experts;
    problem.num_groups = p.num_groups;
    problem.num_nodes = p.num_nodes;
    problem.num_gpus = p.num_gpus;
    problem.load_window_stride = p.load_window_stride; // 0 would be that of the selected layers
    if (p.load_window_stride == 0) problem.load_window_stride = std::uint64_t{p.num_layers} * p.num_logical_experts;
    problem.load = load("problem.load", p.load, p.load_window_stride, windows, p.num_logical_experts);
    problem.window_weight = rows("problem.window_weight", p.window_weight, windows);
    problem.gpu_speed = array("problem.gpu_speed", p.gpu_speed, p.num_gpus);
    problem.gpu_slots = array("problem.gpu_slots", p.gpu_slots, p.num_gpus);
    problem.gpu_node = array("problem.gpu_node", p.gpu_node, p.num_gpus);
    problem.gpu_state = array("problem.gpu_state", p.gpu_state, p.num_gpus);
    problem.cost = p.cost;
    problem.step_tokens = array("problem.step_tokens", p.step_tokens, windows);
    options.policy = static_cast<std::uint32_t>(o.policy);
    options.scope = static_cast<std::uint32_t>(o.scope);
    options.effort = o.effort;
    options.max_moves = o.max_moves;
    options.max_moves_per_gpu_pair = o.max_moves_per_gpu_pair;
    options.target = o.target;
    options.split = static_cast<std::uint32_t>(o.split);
    options.flags = static_cast<std::uint32_t>(o.flags);
    options.previous = rows("options.previous", o.previous, p.num_physical_experts);
  }

  /* C has one struct for maps that are written and maps that are read; each function below knows which. */
  template <class Slot>
  call &with(const maps<Slot> &in) noexcept {
    const std::size_t experts = problem.num_logical_experts, slots = problem.num_physical_experts;
    placement.max_replicas = in.max_replicas;
    const auto pointer = [this](const char *name, span<Slot> map, std::size_t width) {
      return const_cast<std::int32_t *>(rows(name, map, width));
    };
    placement.physical_to_logical = pointer("placement.physical_to_logical", in.physical_to_logical, slots);
    placement.replica_rank = pointer("placement.replica_rank", in.replica_rank, slots);
    placement.logical_count = pointer("placement.logical_count", in.logical_count, experts);
    placement.logical_to_physical = pointer("placement.logical_to_physical", in.logical_to_physical,
                                            product({experts, in.max_replicas}));
    return *this;
  }
  call &with(span<const std::int32_t> slots) noexcept { return with(placement_view{slots}); }
};

inline eplb_windows c_windows(const windows &observed, lengths &l) noexcept {
  eplb_windows c = EPLB_WINDOWS_INIT;
  c.num_windows = observed.num_windows;
  c.num_layers = observed.num_layers;
  c.num_logical_experts = observed.num_logical_experts;
  c.oldest = observed.oldest;
  c.load_window_stride = observed.load_window_stride;
  c.load = l.load("windows.load", observed.load, observed.load_window_stride, observed.num_windows,
                  observed.num_logical_experts);
  c.window_weight = l.rows("windows.window_weight", observed.window_weight, observed.num_windows);
  return c;
}

struct release {
  std::size_t align = 1;
  void operator()(std::byte *block) const noexcept { ::operator delete(block, std::align_val_t{align}); }
};

} // namespace detail

// --- explanations ----------------------------------------------------------------------------------

/*
 Why a call is refused: which argument, which place in it, and what to do; or that nothing is wrong with it. What
 explain_X(arguments of X) gives: eplb_explain and its kin. Layers are counted from the first that is selected.
 */
class explanation {
 public:
  /* ASCII, ends with the status as a number. Lives as long as this. */
  const char *text() const noexcept { return text_; }

  /* What C cannot see, or else what it says: say(buffer, size) writes it. */
  template <class Say>
  explanation(const detail::lengths &l, Say say) noexcept {
    if (l.found != EPLB_STATUS_OK) {
      tell(l.where, l.found);
      return;
    }
    if (l.first != 0) {
      add("with layers counted from ");
      add(l.first);
      add(": ");
    }
    say(text_ + size_, sizeof text_ - size_);
  }

 private:
  void tell(const detail::fault &what, status why) noexcept {
    add(what.name), add(what.verb), add(what.given), add(what.remedy), add(what.wanted);
    add(" (status -"), add(static_cast<std::size_t>(-static_cast<std::int32_t>(why))), add(")");
  }
  void add(const char *words) noexcept {
    while (*words != '\0' && size_ + 1 < sizeof text_) text_[size_++] = *words++;
  }
  void add(std::size_t number) noexcept {
    char digits[20];
    std::size_t first = sizeof digits;
    do digits[--first] = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
    while (first < sizeof digits && size_ + 1 < sizeof text_) text_[size_++] = digits[first++];
  }

  char text_[448] = {};
  std::size_t size_ = 0;
};

namespace detail {

/* Calls a C function with what has been made of the arguments, unless an array has a wrong length, ... */
template <class Function>
struct run {
  Function *function;
  template <class... Arguments>
  result<> operator()(const lengths &l, Arguments... arguments) const noexcept {
    return l.found != EPLB_STATUS_OK ? result<>(l.found) : answer(function(arguments...));
  }
};
template <class Function>
run(Function *) -> run<Function>;

/* ... or the function that explains such a call. */
template <class Function>
struct ask {
  Function *function;
  template <class... Arguments>
  explanation operator()(const lengths &l, Arguments... arguments) const noexcept {
    return explanation(l, [f = function, arguments...](char *text, std::size_t size) { f(arguments..., text, size); });
  }
};
template <class Function>
ask(Function *) -> ask<Function>;

} // namespace detail

/* Explains a call by what stands in problem, options and placement; without one, eplb_workspace. */
inline explanation explain(operation of, const problem &p, const options &o = {}) noexcept {
  const detail::call c(p, o);
  return detail::ask{::eplb_explain}(c, static_cast<std::uint32_t>(of), &c.problem, &c.options,
                                     static_cast<const eplb_placement *>(nullptr));
}
template <class Slot = const std::int32_t> // a placement or a placement_view
explanation explain(operation of, const problem &p, const options &o, const maps<Slot> &held) noexcept {
  detail::call c(p, o);
  c.with(held);
  return detail::ask{::eplb_explain}(c, static_cast<std::uint32_t>(of), &c.problem, &c.options, &c.placement);
}

// --- memory ----------------------------------------------------------------------------------------

/* What a workspace must be to serve each of these operations; the layers and their loads do not matter. */
inline result<layout> workspace_layout(std::initializer_list<operation> operations, const problem &p,
                                       const options &o = {}) noexcept {
  const detail::call c(p, o);
  layout all, one;
  std::int32_t code = c.found;
  for (operation each : operations) {
    if (code != EPLB_STATUS_OK) break;
    code = ::eplb_workspace(static_cast<std::uint32_t>(each), &c.problem, &c.options, &one.size, &one.align);
    if (one.size > all.size) all.size = one.size;
    if (one.align > all.align) all.align = one.align;
  }
  return detail::answer(code, all);
}

/* A block that owns its bytes: what allocate gives. Goes wherever a span of bytes is asked for. */
class memory {
 public:
  memory() noexcept = default;
  operator span<std::byte>() const noexcept { return {block_.get(), block_ ? size_ : 0}; }

 private:
  friend result<memory> allocate(const result<layout> &of) noexcept;
  memory(std::byte *block, layout of) noexcept : block_(block, detail::release{of.align}), size_(of.size) {}

  std::unique_ptr<std::byte, detail::release> block_;
  std::size_t size_ = 0;
};

/*
 Allocates a block, by one call of operator new: allocate(workspace_layout({operation::plan}, problem)). The status
 of the layout is passed on; EPLB_STATUS_WORKSPACE_TOO_SMALL when there is no memory, where text() misleads: it asks
 for a larger workspace.
 */
inline result<memory> allocate(const result<layout> &of) noexcept {
  if (!of) return of.status();
  void *block = ::operator new(of->size, std::align_val_t{of->align}, std::nothrow);
  if (block == nullptr) return EPLB_STATUS_WORKSPACE_TOO_SMALL;
  return memory(static_cast<std::byte *>(block), *of);
}

// --- placements ------------------------------------------------------------------------------------

namespace detail {

template <class Then>
auto plan(Then then, const problem &p, const options &o, span<std::byte> workspace, const placement &out,
          span<metrics> per_layer) noexcept {
  call c(p, o);
  metrics *const m = c.with(out).rows("per_layer", per_layer, 1);
  return then(c, &c.problem, &c.options, workspace.data(), workspace.size(), &c.placement, m, sizeof *m);
}

template <class Then>
auto evaluate(Then then, const problem &p, const options &o, span<std::byte> workspace,
              span<const std::int32_t> physical_to_logical, span<metrics> per_layer,
              span<const float> physical_load) noexcept {
  call c(p, o);
  metrics *const m = c.with(physical_to_logical).rows("per_layer", per_layer, 1);
  c.placement.physical_load = c.rows("physical_load", physical_load, p.num_physical_experts);
  return then(c, &c.problem, &c.options, workspace.data(), workspace.size(), &c.placement, m, sizeof *m);
}

template <class Then, class Slot>
auto check(Then then, const problem &p, const options &o, span<std::byte> workspace, const maps<Slot> &in,
           violation &first) noexcept {
  call c(p, o);
  c.with(in);
  return then(c, &c.problem, &c.options, workspace.data(), workspace.size(), &c.placement, &first, sizeof first);
}

/* The C function leaves physical_to_logical as it is. */
template <class Then>
auto number(Then then, const problem &p, span<const std::int32_t> physical_to_logical, const numbering &out) noexcept {
  call c(p, {});
  c.with(placement_view{physical_to_logical, out.replica_rank, out.logical_count, out.logical_to_physical,
                        out.max_replicas});
  return then(c, &c.problem, &c.placement);
}

template <class Then>
auto transfers(Then then, const problem &p, const options &o, span<std::byte> workspace,
               span<const std::int32_t> from, span<const std::int32_t> to, std::uint32_t spare_buffers,
               const transfer_list &out, transfer_totals &totals) noexcept {
  call c(p, o);
  eplb_transfer_list list = EPLB_TRANSFER_LIST_INIT;
  list.capacity = out.transfers.size() < UINT32_MAX ? static_cast<std::uint32_t>(out.transfers.size()) : UINT32_MAX;
  list.transfers = list.capacity == 0 ? nullptr : out.transfers.data();
  list.layer_start = c.array("list.layer_start", out.layer_start, std::size_t{c.count} + 1);
  list.layer_moved = c.array("list.layer_moved", out.layer_moved, c.count);
  list.layer_rounds = c.array("list.layer_rounds", out.layer_rounds, c.count);
  list.totals = &totals;
  const eplb_placement old = ::eplb_placement_of(c.rows("from", from, p.num_physical_experts));
  const eplb_placement next = ::eplb_placement_of(c.rows("to", to, p.num_physical_experts));
  return then(c, &c.problem, &c.options, workspace.data(), workspace.size(), &old, &next, spare_buffers, &list);
}

template <class Then>
auto gate(Then then, gate_config config, span<const gate_layer> layers, span<gate_state> states,
          span<gate_verdict> verdicts, gate_total &total) noexcept {
  config.num_layers = layers.size() < all_layers ? static_cast<std::uint32_t>(layers.size()) : all_layers;
  lengths l(config.num_layers);
  gate_state *const s = l.rows("states", states, 1);
  gate_verdict *const v = l.rows("verdicts", verdicts, 1);
  const eplb_gate_config *const c = &config;
  return then(l, c, layers.data(), sizeof(gate_layer), s, sizeof *s, v, sizeof *v, &total, sizeof total);
}

} // namespace detail

/* Plans the selected layers into their rows of the maps and of the metrics [L] (empty: not wanted): eplb_plan. */
inline result<> plan(const problem &p, const options &o, span<std::byte> workspace, const placement &out,
                     span<metrics> per_layer = {}) noexcept {
  return detail::plan(detail::run{::eplb_plan}, p, o, workspace, out, per_layer);
}
inline explanation explain_plan(const problem &p, const options &o, span<std::byte> workspace, const placement &out,
                                span<metrics> per_layer = {}) noexcept {
  return detail::plan(detail::ask{::eplb_explain_plan}, p, o, workspace, out, per_layer);
}

/*
 Measures a placement physical_to_logical [L][P], from this library or not, into the metrics [L]: eplb_evaluate.
 physical_load [L][P] are the tokens that each slot had to do; empty: load / count.
 */
inline result<> evaluate(const problem &p, const options &o, span<std::byte> workspace,
                         span<const std::int32_t> physical_to_logical, span<metrics> per_layer,
                         span<const float> physical_load = {}) noexcept {
  return detail::evaluate(detail::run{::eplb_evaluate}, p, o, workspace, physical_to_logical, per_layer, physical_load);
}
inline explanation explain_evaluate(const problem &p, const options &o, span<std::byte> workspace,
                                    span<const std::int32_t> physical_to_logical, span<metrics> per_layer,
                                    span<const float> physical_load = {}) noexcept {
  return detail::evaluate(detail::ask{::eplb_explain_evaluate}, p, o, workspace, physical_to_logical, per_layer,
                          physical_load);
}

/*
 Checks that a placement keeps its promises: eplb_check. With EPLB_STATUS_PLACEMENT_INVALID *first says which is
 broken and where, in the layers of the whole problem; nullptr: not wanted.
 */
template <class Slot = const std::int32_t> // a placement or a placement_view
result<> check(const problem &p, const options &o, span<std::byte> workspace, const maps<Slot> &in,
               violation *first = nullptr) noexcept {
  violation v{};
  const result<> checked = detail::check(detail::run{::eplb_check}, p, o, workspace, in, v);
  const bool invalid = checked.status() == EPLB_STATUS_PLACEMENT_INVALID;
  if (v.layer >= 0 && invalid) v.layer += static_cast<std::int32_t>(p.first_layer);
  if (first != nullptr && (checked || invalid)) *first = v;
  return checked;
}
template <class Slot = const std::int32_t>
explanation explain_check(const problem &p, const options &o, span<std::byte> workspace,
                          const maps<Slot> &in) noexcept {
  violation v{};
  return detail::check(detail::ask{::eplb_explain_check}, p, o, workspace, in, v);
}

/* Fills the other maps of a placement physical_to_logical [L][P], from this library or not: eplb_number. */
inline result<> number(const problem &p, span<const std::int32_t> physical_to_logical, const numbering &out) noexcept {
  return detail::number(detail::run{::eplb_number}, p, physical_to_logical, out);
}
inline explanation explain_number(const problem &p, span<const std::int32_t> physical_to_logical,
                                  const numbering &out) noexcept {
  const auto of_number = [](const detail::lengths &l, const eplb_problem *problem, const eplb_placement *held) {
    return detail::ask{::eplb_explain}(l, std::uint32_t{EPLB_OPERATION_NUMBER}, problem,
                                       static_cast<const eplb_options *>(nullptr), held);
  };
  return detail::number(of_number, p, physical_to_logical, out);
}

/* 64 bits of physical_to_logical [L][P], of the selected layers, for ranks to compare: eplb_digest. */
inline result<std::uint64_t> digest(const problem &p, span<const std::int32_t> physical_to_logical) noexcept {
  detail::call c(p, {});
  c.with(physical_to_logical);
  std::uint64_t bits = 0;
  if (auto known = detail::run{::eplb_digest}(c, &c.problem, &c.placement, &bits); !known) return known;
  return bits;
}

/*
 Lists the transfers that turn one placement [L][P] into another, in rounds: eplb_transfers. spare_buffers are the
 experts that a GPU can receive beside its slots; of the options flags::external_source matters. Layers are numbered as
 in the whole problem.
 */
inline result<transfer_totals> transfers(const problem &p, const options &o, span<std::byte> workspace,
                                         span<const std::int32_t> from, span<const std::int32_t> to,
                                         std::uint32_t spare_buffers, const transfer_list &out = {}) noexcept {
  transfer_totals totals{};
  const result<> listed =
      detail::transfers(detail::run{::eplb_transfers}, p, o, workspace, from, to, spare_buffers, out, totals);
  if (!listed) return listed;
  for (std::uint32_t i = 0; !out.transfers.empty() && i < totals.count; i++)
    out.transfers[i].layer += static_cast<std::int32_t>(p.first_layer);
  return totals;
}
inline explanation explain_transfers(const problem &p, const options &o, span<std::byte> workspace,
                                     span<const std::int32_t> from, span<const std::int32_t> to,
                                     std::uint32_t spare_buffers, const transfer_list &out = {}) noexcept {
  transfer_totals totals{};
  return detail::transfers(detail::ask{::eplb_explain_transfers}, p, o, workspace, from, to, spare_buffers, out,
                           totals);
}

/*
 Decides, layer by layer, whether a new placement is worth the move: eplb_gate. The number of layers is L, that of
 config is not looked at; states [L] are zeroes before the first call, then what the last one wrote; verdicts [L].
 */
inline result<gate_total> gate(const gate_config &config, span<const gate_layer> layers, span<gate_state> states,
                               span<gate_verdict> verdicts) noexcept {
  gate_total total{};
  const result<> decided = detail::gate(detail::run{::eplb_gate}, config, layers, states, verdicts, total);
  if (!decided) return decided;
  return total;
}
inline explanation explain_gate(const gate_config &config, span<const gate_layer> layers, span<gate_state> states,
                                span<gate_verdict> verdicts) noexcept {
  gate_total total{};
  return detail::gate(detail::ask{::eplb_explain_gate}, config, layers, states, verdicts, total);
}

// --- tokens ----------------------------------------------------------------------------------------

namespace detail {

template <class Then>
auto dispatch(Then then, const problem &p, const options &o, span<std::byte> workspace,
              span<const std::int32_t> physical_to_logical, const batch &in, const quotas &out) noexcept {
  call c(p, o);
  const std::size_t sources = in.by_source ? p.num_gpus : 1, experts = p.num_logical_experts;
  eplb_batch tokens = EPLB_BATCH_INIT;
  tokens.num_sources = in.by_source ? p.num_gpus : 0;
  tokens.tokens = c.with(physical_to_logical).rows("batch.tokens", in.tokens, product({sources, experts}));
  eplb_quotas to = EPLB_QUOTAS_INIT;
  to.max_replicas = out.max_replicas;
  to.quota = c.rows("out.quota", out.quota, product({sources, p.num_physical_experts}));
  to.route_end = c.rows("out.route_end", out.route_end, product({sources, experts, out.max_replicas}));
  to.route_slot = c.rows("out.route_slot", out.route_slot, product({experts, out.max_replicas}));
  to.per_layer = c.rows("out.per_layer", out.per_layer, 1);
  to.split_size = sizeof(split);
  return then(c, &c.problem, &c.options, workspace.data(), workspace.size(), &c.placement, &tokens, &to);
}

} // namespace detail

/* Splits the tokens of a batch over the replicas of physical_to_logical [L][P], in whole tokens: eplb_dispatch. */
inline result<> dispatch(const problem &p, const options &o, span<std::byte> workspace,
                         span<const std::int32_t> physical_to_logical, const batch &in, const quotas &out) noexcept {
  return detail::dispatch(detail::run{::eplb_dispatch}, p, o, workspace, physical_to_logical, in, out);
}
inline explanation explain_dispatch(const problem &p, const options &o, span<std::byte> workspace,
                                    span<const std::int32_t> physical_to_logical, const batch &in,
                                    const quotas &out) noexcept {
  return detail::dispatch(detail::ask{::eplb_explain_dispatch}, p, o, workspace, physical_to_logical, in, out);
}

namespace detail {

template <class Then>
auto replicate(Then then, const problem &p, const options &o, span<std::byte> workspace, span<const std::int32_t> home,
               const replication &in, const replicas &out) noexcept {
  call c(p, o);
  const std::size_t sources = in.by_source ? p.num_gpus : 1, experts = p.num_logical_experts;
  const std::size_t slots = p.num_physical_experts;
  eplb_replication request = EPLB_REPLICATION_INIT;
  request.num_sources = in.by_source ? p.num_gpus : 0;
  request.tokens = c.with(home).rows("request.tokens", in.tokens, product({sources, experts}));
  request.held = c.rows("request.held", in.held, slots);
  request.tolerance = in.tolerance;
  request.fetch_tokens = in.fetch_tokens;
  request.least_tokens = in.least_tokens;
  request.max_fetches_in = in.max_fetches_in;
  request.max_fetches_out = in.max_fetches_out;
  eplb_replicas to = EPLB_REPLICAS_INIT;
  to.max_replicas = out.max_replicas;
  to.physical_to_logical = c.rows("out.physical_to_logical", out.physical_to_logical, slots);
  to.quota = c.rows("out.quota", out.quota, product({sources, slots}));
  to.route_end = c.rows("out.route_end", out.route_end, product({sources, experts, out.max_replicas}));
  to.route_slot = c.rows("out.route_slot", out.route_slot, product({experts, out.max_replicas}));
  to.per_layer = c.rows("out.per_layer", out.per_layer, 1);
  if (!out.fetches.empty() && out.per_layer.empty())
    c.refuse(EPLB_STATUS_ARRAY_LENGTH,
             {"out.per_layer", " has ", 0, " elements: it says how many out.fetches there are, with ", p.num_layers});
  to.capacity = out.fetches.size() < UINT32_MAX ? static_cast<std::uint32_t>(out.fetches.size()) : UINT32_MAX;
  to.fetches = to.capacity == 0 ? nullptr : out.fetches.data();
  return then(c, &c.problem, &c.options, workspace.data(), workspace.size(), &c.placement, &request, &to);
}

} // namespace detail

/*
 Decides for one batch which experts are copied into the spare slots of home [L][P], those that hold -1, and splits its
 tokens over homes and copies: eplb_replicate. The fetches of the selected layers are the first of the list, as many as
 their reports sum up to; layers are numbered as in the whole problem.
 */
inline result<> replicate(const problem &p, const options &o, span<std::byte> workspace, span<const std::int32_t> home,
                          const replication &in, const replicas &out) noexcept {
  const result<> decided = detail::replicate(detail::run{::eplb_replicate}, p, o, workspace, home, in, out);
  if (!decided || out.fetches.empty()) return decided;
  const detail::call c(p, o);
  std::size_t count = 0;
  for (const replicated &layer : out.per_layer.subspan(c.first, c.count)) count += layer.fetches;
  for (fetch &each : out.fetches.subspan(0, count)) each.layer += static_cast<std::int32_t>(p.first_layer);
  return decided;
}
inline explanation explain_replicate(const problem &p, const options &o, span<std::byte> workspace,
                                     span<const std::int32_t> home, const replication &in,
                                     const replicas &out) noexcept {
  return detail::replicate(detail::ask{::eplb_explain_replicate}, p, o, workspace, home, in, out);
}

/*
 The physical expert that token number `token` (from 0) of an expert goes to, by the table that dispatch wrote, or
 replicate (replicas.routes()): eplb_route. Of a batch by source: the token of that GPU. -1 beyond the tokens and
 outside the table. Checks its arguments; what routes millions of tokens calls eplb_route on the row.
 */
inline std::int32_t route(const problem &p, const quotas &table, std::uint32_t layer, std::uint32_t expert,
                          std::uint32_t token, std::uint32_t source = 0) noexcept {
  const std::size_t experts = p.num_logical_experts, width = table.max_replicas;
  const std::size_t slots = detail::product({p.num_layers, experts, width});
  const bool by_source = table.route_end.size() != slots;
  const std::size_t sources = by_source ? p.num_gpus : 1;
  if (table.route_slot.size() != slots || table.route_end.size() != detail::product({sources, slots})) return -1;
  if (layer >= p.num_layers || expert >= experts || source >= p.num_gpus) return -1;
  const std::size_t row = (layer * sources + (by_source ? source : 0)) * experts + expert;
  return ::eplb_route(table.route_end.data() + row * width,
                      table.route_slot.data() + (layer * experts + expert) * width, table.max_replicas, token);
}

/*
 The slots of each expert of one layer, as sparse rows: expert e is in slot_of[begin[e]] to slot_of[begin[e + 1] - 1],
 in order of the slots. physical_to_logical is the layer's row, [P]; begin [E + 1], slot_of [P], of which those after
 begin[E] are -1. EPLB_STATUS_PLACEMENT_EXPERT: a slot holds neither -1 nor an expert; EPLB_STATUS_ARRAY_LENGTH: begin
 is empty, or slot_of has not P; nothing is written then. O(P + E).
 */
inline result<> slots_by_expert(span<const std::int32_t> physical_to_logical, span<std::int32_t> begin,
                                span<std::int32_t> slot_of) noexcept {
  const std::size_t slots = physical_to_logical.size();
  if (begin.empty() || slot_of.size() != slots || slots > INT32_MAX) return EPLB_STATUS_ARRAY_LENGTH;
  const std::size_t experts = begin.size() - 1;
  for (std::int32_t expert : physical_to_logical)
    if (expert < -1 || (expert >= 0 && static_cast<std::size_t>(expert) >= experts))
      return EPLB_STATUS_PLACEMENT_EXPERT;
  for (std::int32_t &first : begin) first = 0;
  for (std::int32_t expert : physical_to_logical)
    if (expert >= 0) begin[static_cast<std::size_t>(expert)]++;
  std::int32_t end = 0;
  for (std::int32_t &first : begin) first = end += first; // where the row ends; filled from the back
  for (std::int32_t &slot : slot_of) slot = -1;
  for (std::size_t slot = slots; slot-- > 0;)
    if (const std::int32_t expert = physical_to_logical[slot]; expert >= 0)
      slot_of[static_cast<std::size_t>(--begin[static_cast<std::size_t>(expert)])] = static_cast<std::int32_t>(slot);
  return EPLB_STATUS_OK;
}

// --- loads -----------------------------------------------------------------------------------------

/*
 Counts of any integer type as loads, rounded to the nearest float. EPLB_STATUS_ARRAY_LENGTH: other lengths;
 EPLB_STATUS_LOAD_NEGATIVE: a count is below 0, as one that wrapped around is; nothing is written then.
 */
template <class Counts>
result<> loads_of(const Counts &counts, span<float> load) noexcept {
  if (counts.size() != load.size()) return EPLB_STATUS_ARRAY_LENGTH;
  for (const auto &count : counts)
    if (count < std::remove_reference_t<decltype(count)>{}) return EPLB_STATUS_LOAD_NEGATIVE;
  std::size_t at = 0;
  for (const auto &count : counts) load[at++] = static_cast<float>(count);
  return EPLB_STATUS_OK;
}

/* What the memory of a tracker must be: eplb_tracker_size. */
inline result<layout> tracker_layout(const tracker_config &config) noexcept {
  layout of;
  const std::int32_t code = ::eplb_tracker_size(&config, &of.size, &of.align);
  return detail::answer(code, of);
}

/*
 Counts tokens into load windows, in memory of the caller's, which must outlive it: eplb_tracker_*. All of it is in
 the memory: a copy is the same tracker, and a saved one is taken up by the constructor. One call at a time. Over
 memory that holds no tracker every call is refused.
 */
class tracker {
  template <class Then>
  auto observed(Then then, std::uint32_t layer, span<const std::uint32_t> counts,
                span<const std::int32_t> physical_to_logical) const noexcept {
    detail::lengths l(0);
    const bool slots = !physical_to_logical.empty();
    if (counts.size() >= all_layers || (slots && physical_to_logical.size() != counts.size()))
      l.refuse(EPLB_STATUS_TRACKER_COUNTS, {"counts", " has ", counts.size(), " elements, physical_to_logical ",
                                            physical_to_logical.size()});
    return then(l, memory_.data(), memory_.size(), layer, counts.data(), static_cast<std::uint32_t>(counts.size()),
                slots ? physical_to_logical.data() : nullptr);
  }

 public:
  constexpr tracker() noexcept = default;
  constexpr explicit tracker(span<std::byte> memory) noexcept : memory_(memory) {}

  /* A tracker that has seen nothing, in memory as tracker_layout says. */
  static result<tracker> init(const tracker_config &config, span<std::byte> memory) noexcept {
    return detail::answer(::eplb_tracker_init(&config, memory.data(), memory.size()), tracker(memory));
  }
  static explanation explain_init(const tracker_config &config, span<std::byte> memory) noexcept {
    const eplb_tracker_config *const c = &config;
    return detail::ask{::eplb_explain_tracker_init}(detail::lengths(0), c, memory.data(), memory.size());
  }
  /*
   Adds the tokens of one step of one layer to the open window: counts [E] of logical experts, or [P] of slots with
   physical_to_logical [P], this layer's row of the placement in force.
   */
  result<> observe(std::uint32_t layer, span<const std::uint32_t> counts,
                   span<const std::int32_t> physical_to_logical = {}) noexcept {
    return observed(detail::run{::eplb_tracker_observe}, layer, counts, physical_to_logical);
  }
  explanation explain_observe(std::uint32_t layer, span<const std::uint32_t> counts,
                              span<const std::int32_t> physical_to_logical = {}) const noexcept {
    return observed(detail::ask{::eplb_explain_tracker_observe}, layer, counts, physical_to_logical);
  }
  /* Closes the open window. */
  result<> close() noexcept { return detail::answer(::eplb_tracker_close(memory_.data(), memory_.size())); }
  explanation explain_close() const noexcept {
    return detail::ask{::eplb_explain_tracker_close}(detail::lengths(0), memory_.data(), memory_.size());
  }
  /* Forgets what the open window has observed. */
  result<> discard() noexcept { return detail::answer(::eplb_tracker_discard(memory_.data(), memory_.size())); }
  explanation explain_discard() const noexcept {
    return detail::ask{::eplb_explain_tracker_discard}(detail::lengths(0), memory_.data(), memory_.size());
  }

  /* The closed windows, where they lie; checks the whole memory. They change when a window closes. */
  result<eplb::windows> windows() const noexcept {
    eplb_windows c{};
    const std::int32_t code = ::eplb_tracker_windows(memory_.data(), memory_.size(), &c, sizeof c);
    const std::size_t size = detail::product({c.num_windows, c.num_layers, c.num_logical_experts});
    return detail::answer(code, eplb::windows{c.num_windows, c.num_layers, c.num_logical_experts, c.oldest,
                                              c.load_window_stride, c.closed, {c.load, size}, {}});
  }
  explanation explain_windows() const noexcept {
    eplb_windows c{};
    return detail::ask{::eplb_explain_tracker_windows}(detail::lengths(0), memory_.data(), memory_.size(), &c,
                                                       sizeof c);
  }

 private:
  span<std::byte> memory_;
};

namespace detail {

template <class Then>
auto window_weights(Then then, const windows &observed, const change &told_by, span<float> window_weight,
                    span<std::uint32_t> num_counted) noexcept {
  lengths l(observed.num_layers);
  const eplb_windows c = c_windows(observed, l);
  float *const weights = l.rows("window_weight", window_weight, observed.num_windows);
  std::uint32_t *const counted = l.rows("num_counted", num_counted, 1);
  const eplb_change *const told = &told_by;
  return then(l, &c, told, weights, counted);
}

template <class Then>
auto forecast(Then then, const windows &observed, const forecast_options &how, span<float> load) noexcept {
  lengths l(observed.num_layers);
  const eplb_windows c = c_windows(observed, l);
  float *const out = l.rows("load", load, observed.num_logical_experts);
  const eplb_forecast_options *const by = &how;
  return then(l, &c, by, out);
}

} // namespace detail

/*
 Says how much each window should count since the load last changed abruptly: eplb_window_weights. window_weight
 [L][W] is fit for a problem; num_counted [L], how many of the newest windows are since then, may be empty.
 */
inline result<> window_weights(const windows &observed, const change &told_by, span<float> window_weight,
                               span<std::uint32_t> num_counted = {}) noexcept {
  return detail::window_weights(detail::run{::eplb_window_weights}, observed, told_by, window_weight, num_counted);
}
inline explanation explain_window_weights(const windows &observed, const change &told_by, span<float> window_weight,
                                          span<std::uint32_t> num_counted = {}) noexcept {
  return detail::window_weights(detail::ask{::eplb_explain_window_weights}, observed, told_by, window_weight,
                                num_counted);
}

/* Makes one load [L][E] of several windows, for a policy that plans on one: eplb_forecast. */
inline result<> forecast(const windows &observed, const forecast_options &how, span<float> load) noexcept {
  return detail::forecast(detail::run{::eplb_forecast}, observed, how, load);
}
inline explanation explain_forecast(const windows &observed, const forecast_options &how, span<float> load) noexcept {
  return detail::forecast(detail::ask{::eplb_explain_forecast}, observed, how, load);
}

/* Whether the library that is linked fits this header: the same major version, before 1.0 the same minor too. */
inline bool version_fits() noexcept {
  constexpr std::uint32_t shift = EPLB_VERSION >> 16 == 0 ? 8 : 16;
  return ::eplb_version() >> shift == EPLB_VERSION >> shift;
}

} // inline namespace
} // namespace eplb

#endif /* EPLB_HPP */
