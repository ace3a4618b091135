// What the rest of a program computes must not depend on whether eplb is linked. Calls what a compiler's runtime might
// bring along under the same names: the mathematics of the C library, in each rounding mode and with what it leaves in
// errno, division of 128-bit integers, complex products, conversions; and prints every bit. With WITH_EPLB a plan is made, too,
// which prints nothing. neighbours.sh compares.
#include <cerrno>
#include <cfenv>
#include <cinttypes>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstdio>
#include <cstring>

#ifdef WITH_EPLB
#include <eplb.h>
#endif

extern "C" int neighbours();

namespace {

const double values[] = {0.0,     -0.0,   0.5,     -0.5,     1.5,  2.5,       -2.5,     3.0,    1e-310,
                         1e300,   -1e-20, 7.25e15, 1.0 / 3, 0.49999999999999994, 4503599627370497.5, 1e9 + 0.3,
                         INFINITY, NAN};
const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

void print(const char *name, const void *value, std::size_t size) {
  unsigned char bytes[32];
  std::memcpy(bytes, value, size);
  std::printf("%s", name);
  for (std::size_t i = 0; i < size; i++) std::printf(" %02x", bytes[i]);
  std::printf(" errno %d\n", errno);
  errno = 0;
}

// A function by its address, which no compiler computes beforehand. NaNs are one: their bits are nobody's promise.
template <class F> struct one {
  const char *name;
  F (*volatile function)(F);
  void run() const {
    for (double value : values) {
      F result = function(static_cast<F>(value));
      if (std::isnan(result)) result = NAN;
      print(name, &result, sizeof result);
    }
  }
};
template <class F> struct two {
  const char *name;
  F (*volatile function)(F, F);
  void run() const {
    for (double a : values)
      for (double b : values) {
        F result = function(static_cast<F>(a), static_cast<F>(b));
        if (std::isnan(result)) result = NAN;
        print(name, &result, sizeof result);
      }
  }
};
template <class F> struct three {
  const char *name;
  F (*volatile function)(F, F, F);
  void run() const {
    for (double a : values)
      for (double b : values)
        for (double c : values) {
          F result = function(static_cast<F>(a), static_cast<F>(b), static_cast<F>(c));
          if (std::isnan(result)) result = NAN;
          print(name, &result, sizeof result);
        }
  }
};

const one<double> doubles[] = {{"cbrt", cbrt},   {"ceil", ceil},   {"fabs", fabs}, {"floor", floor},
                               {"rint", rint},   {"round", round}, {"sqrt", sqrt}, {"trunc", trunc}};
const one<float> floats[] = {{"cbrtf", cbrtf}, {"ceilf", ceilf},   {"fabsf", fabsf}, {"floorf", floorf},
                             {"rintf", rintf}, {"roundf", roundf}, {"sqrtf", sqrtf}, {"truncf", truncf}};
const two<double> pairs[] = {{"copysign", copysign}, {"fdim", fdim}, {"fmax", fmax}, {"fmin", fmin}, {"fmod", fmod}};
const two<float> float_pairs[] = {
    {"copysignf", copysignf}, {"fdimf", fdimf}, {"fmaxf", fmaxf}, {"fminf", fminf}, {"fmodf", fmodf}};
const three<double> triple = {"fma", fma};
const three<float> float_triple = {"fmaf", fmaf};

void mathematics() {
  for (int mode : modes) {
    std::fesetround(mode);
    errno = 0;
    for (const auto &function : doubles) function.run();
    for (const auto &function : floats) function.run();
    for (const auto &function : pairs) function.run();
    for (const auto &function : float_pairs) function.run();
    triple.run();
    float_triple.run();
  }
  std::fesetround(FE_TONEAREST);
}

// Complex products and quotients are calls of the compiler's runtime, as 128-bit division is.
template <class F> void products(const char *name) {
  for (double a : values)
    for (double b : values) {
      volatile F x = static_cast<F>(a), y = static_cast<F>(b);
      std::complex<F> product = std::complex<F>(x, y) * std::complex<F>(y, 2), quotient = product / std::complex<F>(x, 3);
      F parts[] = {product.real(), product.imag(), quotient.real(), quotient.imag()};
      for (F &part : parts) part = std::isnan(part) ? F(NAN) : part;
      print(name, parts, sizeof parts);
    }
}

#ifdef __SIZEOF_INT128__
__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;

void integers() {
  const std::int64_t parts[] = {1, -1, 3, -7, 10, INT64_MAX, INT64_MIN, 0x123456789abcdef, -0x6789abcdef};
  for (std::int64_t high : parts)
    for (std::int64_t low : parts)
      for (std::int64_t divisor : parts) {
        volatile wide a = static_cast<wide>(static_cast<unsigned_wide>(high) << 64 | static_cast<std::uint64_t>(low)),
                      b = static_cast<wide>(divisor) * (low | 1);
        wide quotient = a / b, rest = a % b;
        unsigned_wide unsigned_quotient = static_cast<unsigned_wide>(a) / static_cast<unsigned_wide>(b);
        unsigned_wide unsigned_rest = static_cast<unsigned_wide>(a) % static_cast<unsigned_wide>(b);
        double near = static_cast<double>(static_cast<wide>(a));
        print("/", &quotient, sizeof quotient);
        print("%", &rest, sizeof rest);
        print("u/", &unsigned_quotient, sizeof unsigned_quotient);
        print("u%", &unsigned_rest, sizeof unsigned_rest);
        print("double", &near, sizeof near);
      }
}
#else
void integers() {}
#endif

// A plan, so that the library is there; 0 when it is the right one.
int plan() {
#ifdef WITH_EPLB
  const float load[] = {90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86};
  eplb_problem problem = EPLB_PROBLEM_INIT;
  problem.num_windows = problem.num_layers = problem.num_groups = problem.num_nodes = 1;
  problem.num_logical_experts = 12;
  problem.num_physical_experts = 16;
  problem.num_gpus = 4;
  problem.load = load;
  eplb_options options = EPLB_OPTIONS_INIT;
  std::int32_t expert_of[16];
  eplb_placement placement = EPLB_PLACEMENT_INIT;
  placement.physical_to_logical = expert_of;
  eplb_metrics metrics;
  alignas(8) static unsigned char workspace[1 << 14];
  if (eplb_plan(&problem, &options, workspace, sizeof workspace, &placement, &metrics, sizeof metrics) != EPLB_STATUS_OK) return 1;
  return metrics.balance > 0.9 ? 0 : 1;
#else
  return 0;
#endif
}

} // namespace

int neighbours() {
  if (plan() != 0) return 1;
  mathematics();
  products<double>("complex double");
  products<float>("complex float");
  integers();
  try {
    throw 1; // and unwinding is the program's own, too
  } catch (int) {
    std::printf("caught\n");
  }
  return plan();
}

#ifndef PLUGIN
int main() { return neighbours(); }
#endif
