/* What allocates is eplb::allocate, once each, and it can be told no. */
#include "small.hpp"

void the_memory() {
  small s;
  maps_of_plan out;
  s.options.previous = s.previous;
  const auto every = eplb::workspace_layout({eplb::operation::plan, eplb::operation::evaluate, eplb::operation::check,
                                             eplb::operation::transfers, eplb::operation::dispatch},
                                            s.problem, s.options);
  CHECK(every && every->size >= eplb::workspace_layout({eplb::operation::plan}, s.problem, s.options)->size);

  const long before = allocations, freed = frees;
  {
    auto workspace = eplb::allocate(every);
    CHECK(workspace && allocations == before + 1);
    CHECK(eplb::plan(s.problem, s.options, *workspace, out.placement(), out.metrics));
    const eplb::memory moved = std::move(*workspace);
    CHECK(eplb::check(s.problem, s.options, moved, out.view()));
    CHECK(eplb::plan(s.problem, s.options, *workspace, out.placement()).status() == EPLB_STATUS_NULL_POINTER);
  }
  CHECK(allocations == before + 1 && frees == freed + 1);

  // a refused layout is not allocated
  eplb::problem odd = s.problem;
  odd.num_physical_experts = G;
  odd.load = {};
  CHECK(eplb::allocate(eplb::workspace_layout({eplb::operation::plan}, odd)).status() == EPLB_STATUS_TOO_FEW_SLOTS);
  CHECK(allocations == before + 1);

  out_of_memory = true;
  CHECK(eplb::allocate(every).status() == EPLB_STATUS_WORKSPACE_TOO_SMALL);
  out_of_memory = false;
}
