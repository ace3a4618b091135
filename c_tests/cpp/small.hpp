/* What the tests of eplb.hpp share: checks, and a small problem with every array there is. */
#ifndef SMALL_HPP
#define SMALL_HPP

#include "eplb.hpp"

#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

void check(bool good, const char *file, int line, const char *what);
#define CHECK(...) check(static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, #__VA_ARGS__)

/* Blocks of operator new since the program started, and those given back; whether it has memory. cpp/main.cpp */
extern long allocations, frees;
extern bool out_of_memory;

/* eplb_route, as a file sees it that includes eplb.h first. cpp/h_first.cpp */
using route_function = std::int32_t(const std::uint32_t *, const std::int32_t *, std::uint32_t, std::uint32_t);
route_function *route_of_h_first();

/* The topics. */
void the_face();
void the_lengths();
void the_explanations();
void the_memory();
void the_balancer();

constexpr std::uint32_t L = 3, E = 8, P = 12, K = 4, N = 2, G = 4, W = 2, R = P - E + 1;

inline std::uint32_t random_next(std::uint32_t &x) {
  x ^= x << 13;
  x ^= x >> 17;
  return x ^= x << 5;
}

template <class Array>
bool same_bytes(const Array &a, const Array &b) {
  return std::memcmp(a.data(), b.data(), sizeof(a[0]) * a.size()) == 0;
}

struct maps_of_plan {
  std::array<std::int32_t, L * P> slots, ranks;
  std::array<std::int32_t, L * E> counts;
  std::array<std::int32_t, L * E * R> table;
  std::array<eplb::metrics, L> metrics;

  maps_of_plan() { std::memset(static_cast<void *>(this), 0x5a, sizeof *this); }
  eplb::placement placement() { return {slots, ranks, counts, table, R}; }
  eplb::placement_view view() const { return {slots, ranks, counts, table, R}; }
  bool operator==(const maps_of_plan &other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
};

struct small {
  std::array<float, W * L * E> load;
  std::array<float, L * W> weight;
  std::array<float, W> step_tokens;
  std::array<float, G> speed = {1, 1, 2, 1};
  std::array<std::uint32_t, G> gpu_slots = {3, 3, 3, 3}, node = {0, 0, 1, 1};
  std::array<std::uint8_t, G> state = {};
  std::array<std::int32_t, L * P> previous;
  alignas(8) std::array<std::byte, 65536> workspace;
  eplb::problem problem;
  eplb::options options;

  small() {
    std::uint32_t random = 7;
    for (float &x : load) x = static_cast<float>(random_next(random) % 1000);
    for (std::size_t i = 0; i < weight.size(); i++) weight[i] = static_cast<float>(1 + i % 3);
    step_tokens.fill(4096);
    for (std::size_t i = 0; i < previous.size(); i++) previous[i] = static_cast<std::int32_t>(i % P % E);
    problem.num_layers = L;
    problem.num_logical_experts = E;
    problem.num_physical_experts = P;
    problem.num_groups = K;
    problem.num_nodes = N;
    problem.num_gpus = G;
    problem.load = {load.data(), L * E}; // the first window
  }
  small(const small &) = delete; // it points into itself

  /* Every optional array, too. */
  small &with_everything() {
    problem.num_windows = W;
    problem.load = load;
    problem.window_weight = weight;
    problem.gpu_speed = speed;
    problem.gpu_slots = gpu_slots;
    problem.gpu_node = node;
    problem.gpu_state = state;
    problem.step_tokens = step_tokens; // without a cost they are only checked
    options.previous = previous;
    options.max_moves = 6;
    return *this;
  }
  eplb_problem in_c() const;
  eplb_options options_in_c() const;
};

#endif
