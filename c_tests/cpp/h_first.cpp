/* eplb.h before eplb.hpp: eplb_route is still one function in the whole program. */
#include "eplb.h"

#include "small.hpp"

route_function *route_of_h_first() { return &eplb_route; }
