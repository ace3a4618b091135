// eplb_plan against DeepSeek EPLB in plain C++ (baseline.cpp), in one run.
//
// usage: versus check VECTORS               plans every case of a file of vectors/ with the baseline and compares
//        versus faster                      BALANCED on generated loads: in less time than the baseline, better balanced
//        versus measure LOADS COMPILER      CSV: time and balance of the baseline, DEEPSEEK and BALANCED
//        versus once LOADS CASE PROGRAM N   plans N layers and prints nothing: for callgrind
//
// LOADS has a layer a line, tokens of each expert with commas between; a case takes the layers of its width.
#include "baseline.hpp"
#include "eplb.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Case {
  const char *name;
  baseline::Shape shape;
};
const Case cases[] = {
    {"256-288-32", {256, 288, 1, 1, 32}},   {"256-288-32-8x4", {256, 288, 8, 4, 32}},
    {"256-288-72", {256, 288, 1, 1, 72}},   {"256-320-64", {256, 320, 1, 1, 64}},
    {"256-288-96", {256, 288, 1, 1, 96}},   {"256-288-144", {256, 288, 1, 1, 144}},
    {"256-256-32", {256, 256, 1, 1, 32}},   {"128-160-32", {128, 160, 1, 1, 32}},
    {"64-72-8", {64, 72, 1, 1, 8}},         {"512-576-64", {512, 576, 1, 1, 64}},
    {"1024-1152-128", {1024, 1152, 1, 1, 128}},
    {"2048-2304-256", {2048, 2304, 1, 1, 256}},
};

enum Program { PLAIN, DEEPSEEK, BALANCED, PROGRAMS };
const char *const program_names[PROGRAMS] = {"plain", "deepseek", "balanced"};

[[noreturn]] void stop(const std::string &words) {
  std::fprintf(stderr, "versus: %s\n", words.c_str());
  std::exit(1);
}

void expect_ok(int32_t status) {
  if (status != EPLB_STATUS_OK) stop(eplb_status_string(status));
}

// One layer at a time: the same maps, whoever plans.
struct Planner {
  explicit Planner(const baseline::Shape &s)
      : shape(s), physical_to_logical(s.slots), replica_rank(s.slots), logical_count(s.experts) {
    problem.num_windows = problem.num_layers = 1;
    problem.num_logical_experts = static_cast<uint32_t>(s.experts);
    problem.num_physical_experts = static_cast<uint32_t>(s.slots);
    problem.num_groups = static_cast<uint32_t>(s.groups);
    problem.num_nodes = static_cast<uint32_t>(s.nodes);
    problem.num_gpus = static_cast<uint32_t>(s.gpus);
    placement.physical_to_logical = physical_to_logical.data();
    placement.replica_rank = replica_rank.data();
    placement.logical_count = logical_count.data();
    // enough for either policy, and for the metrics
    size_t size = 0, most = 0, align = 0;
    for (uint32_t policy : {EPLB_POLICY_DEEPSEEK, EPLB_POLICY_BALANCED}) {
      options.policy = policy;
      expect_ok(eplb_workspace(EPLB_OPERATION_PLAN, &problem, &options, &size, &align));
      most = std::max(most, size);
    }
    expect_ok(eplb_workspace(EPLB_OPERATION_EVALUATE, &problem, &options, &size, &align));
    workspace.resize(std::max(most, size));
  }

  void plan(Program program, const float *load) {
    if (program == PLAIN) {
      baseline::rebalance(shape, load, physical_to_logical.data(), replica_rank.data(), logical_count.data());
      return;
    }
    problem.load = load;
    options.policy = program == DEEPSEEK ? EPLB_POLICY_DEEPSEEK : EPLB_POLICY_BALANCED;
    expect_ok(eplb_plan(&problem, &options, workspace.data(), workspace.size(), &placement, nullptr, 0));
  }

  // The balance of what was planned last.
  double balance(const float *load) {
    eplb_metrics metrics;
    problem.load = load;
    eplb_options measure = EPLB_OPTIONS_INIT;
    expect_ok(eplb_evaluate(&problem, &measure, workspace.data(), workspace.size(), &placement, &metrics,
                            sizeof metrics));
    return metrics.balance;
  }

  baseline::Shape shape;
  std::vector<int32_t> physical_to_logical, replica_rank, logical_count;
  std::vector<unsigned char> workspace;  // from new, so aligned for anything
  eplb_problem problem = EPLB_PROBLEM_INIT;
  eplb_options options = EPLB_OPTIONS_INIT;
  eplb_placement placement = EPLB_PLACEMENT_INIT;
};

// --- loads and vectors ----------------------------------------------------------------------------------------

using Layers = std::vector<std::vector<float>>;

std::ifstream open(const std::string &path) {
  std::ifstream file(path);
  if (!file) stop(path + " does not open");
  return file;
}

std::map<int, Layers> read_loads(const std::string &path) {
  std::map<int, Layers> loads;
  std::ifstream file = open(path);
  for (std::string line; std::getline(file, line);) {
    std::vector<float> load;
    std::istringstream fields(line);
    for (std::string field; std::getline(fields, field, ',');) load.push_back(std::strtof(field.c_str(), nullptr));
    loads[static_cast<int>(load.size())].push_back(std::move(load));
  }
  return loads;
}

template <typename T>
std::vector<T> numbers(std::istream &from, size_t count) {
  std::vector<T> read(count);
  for (T &number : read) from >> number;
  if (!from) stop("a case breaks off");
  return read;
}

int check(const std::string &path) {
  std::ifstream file = open(path);
  int found = 0, wrong = 0;
  for (std::string word, name; file >> word >> name; found++) {
    if (word != "case") stop("\"" + word + "\" where a case should begin");
    file >> word;
    const auto shape = numbers<int>(file, 6);  // L E P K N G
    const int layers = shape[0], experts = shape[1], slots = shape[2];
    const auto array = [&](int width) {
      file >> word;
      return numbers<int32_t>(file, static_cast<size_t>(layers * width));
    };
    file >> word;
    const auto load = numbers<float>(file, static_cast<size_t>(layers * experts));
    const auto physical_to_logical = array(slots), replica_rank = array(slots), logical_count = array(experts);
    file >> word;
    std::vector<int32_t> experts_of(physical_to_logical.size()), ranks(replica_rank.size());
    std::vector<int32_t> counts(logical_count.size());
    const auto row = [](auto &rows, int width, int layer) { return rows.data() + width * layer; };
    for (int layer = 0; layer < layers; layer++)
      baseline::rebalance({experts, slots, shape[3], shape[4], shape[5]}, row(load, experts, layer),
                          row(experts_of, slots, layer), row(ranks, slots, layer), row(counts, experts, layer));
    if (experts_of != physical_to_logical || ranks != replica_rank || counts != logical_count) {
      std::printf("versus: %s differs\n", name.c_str());
      wrong++;
    }
  }
  std::printf("%d of %d cases planned as in the vectors\n", found - wrong, found);
  return found == 0 || wrong != 0;
}

// --- measuring ------------------------------------------------------------------------------------------------

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Of each program.
struct Figures {
  double us[PROGRAMS];                                         // the median layer
  double of_plain[PROGRAMS], least[PROGRAMS], most[PROGRAMS];  // share of the baseline's time, over several runs
  double balance[PROGRAMS], worst[PROGRAMS];                   // mean over the layers, and the worst of them
};

// The programs take turns on every layer, and all layers pass before the first comes again. A layer's time is the
// median of its repetitions, a program's that of the median layer.
std::array<double, PROGRAMS> time_layers(Planner &planner, const Layers &layers) {
  enum { REPETITIONS = 5 };
  std::vector<std::vector<double>> times[PROGRAMS];
  for (auto &of_program : times) of_program.resize(layers.size());
  for (int repetition = 0; repetition < REPETITIONS; repetition++)
    for (size_t layer = 0; layer < layers.size(); layer++)
      for (int program = 0; program < PROGRAMS; program++) {
        const auto start = std::chrono::steady_clock::now();
        planner.plan(static_cast<Program>(program), layers[layer].data());
        const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
        times[program][layer].push_back(took.count());
      }
  std::array<double, PROGRAMS> us;
  for (size_t program = 0; program < PROGRAMS; program++) {
    std::vector<double> of_layer;
    for (auto &repetitions : times[program]) of_layer.push_back(median(repetitions));
    us[program] = median(of_layer);
  }
  return us;
}

Figures measure(const Case &c, const Layers &layers) {
  enum { RUNS = 5 };
  Planner planner(c.shape);
  Figures figures = {};

  std::fill_n(figures.worst, +PROGRAMS, 1.0);
  for (const auto &load : layers) {
    std::vector<int32_t> plain;
    for (int program = 0; program < PROGRAMS; program++) {
      planner.plan(static_cast<Program>(program), load.data());
      if (program == PLAIN) plain = planner.physical_to_logical;
      if (program == DEEPSEEK && plain != planner.physical_to_logical)
        stop(std::string(c.name) + ": the baseline plans otherwise");
      const double balance = planner.balance(load.data());
      figures.balance[program] += balance / static_cast<double>(layers.size());
      figures.worst[program] = std::min(figures.worst[program], balance);
    }
  }

  std::vector<double> us[PROGRAMS], ratio[PROGRAMS];
  for (int run = 0; run < RUNS; run++) {
    const auto took = time_layers(planner, layers);
    for (size_t program = 0; program < PROGRAMS; program++) {
      us[program].push_back(took[program]);
      ratio[program].push_back(took[program] / took[PLAIN]);
    }
  }
  for (int program = 0; program < PROGRAMS; program++) {
    figures.us[program] = median(us[program]);
    figures.of_plain[program] = median(ratio[program]);
    figures.least[program] = *std::min_element(ratio[program].begin(), ratio[program].end());
    figures.most[program] = *std::max_element(ratio[program].begin(), ratio[program].end());
  }
  return figures;
}

int measure_all(const std::string &path, const std::string &compiler) {
  const auto loads = read_loads(path);
  std::printf("compiler,case,program,us,of_plain,of_plain_low,of_plain_high,balance,worst\n");
  for (const Case &c : cases) {
    const auto layers = loads.find(c.shape.experts);
    if (layers == loads.end()) continue;
    const Figures f = measure(c, layers->second);
    for (int i = 0; i < PROGRAMS; i++)
      std::printf("%s,%s,%s,%.2f,%.3f,%.3f,%.3f,%.7f,%.7f\n", compiler.c_str(), c.name, program_names[i], f.us[i],
                  f.of_plain[i], f.least[i], f.most[i], f.balance[i], f.worst[i]);
    std::fflush(stdout);
  }
  return 0;
}

// 58 layers of 256 experts, lognormal enough: the sum of four uniform numbers for a normal one.
Layers generated() {
  uint32_t random = 2463534242u;
  const auto uniform = [&random] {
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    return static_cast<double>(random) / 4294967296.0;
  };
  Layers layers(58, std::vector<float>(256));
  for (auto &load : layers)
    for (float &tokens : load) {
      const double normal = (uniform() + uniform() + uniform() + uniform() - 2) * std::sqrt(3.0);
      tokens = std::floor(static_cast<float>(1e5 * std::exp(0.65 * normal)));
    }
  return layers;
}

int faster() {
  const Figures f = measure(cases[0], generated());
  std::printf("%s: BALANCED %.1f us a layer, balance %.4f; plain C++ %.1f us, %.4f\n", cases[0].name, f.us[BALANCED],
              f.balance[BALANCED], f.us[PLAIN], f.balance[PLAIN]);
  return !(f.of_plain[BALANCED] < 1 && f.balance[BALANCED] > f.balance[PLAIN]);
}

int once(const std::string &path, const std::string &name, const std::string &program, int times) {
  const auto loads = read_loads(path);
  for (const Case &c : cases)
    for (int which = 0; which < PROGRAMS; which++)
      if (name == c.name && program == program_names[which]) {
        const Layers &layers = loads.at(c.shape.experts);
        Planner planner(c.shape);
        for (size_t i = 0; i < static_cast<size_t>(times); i++)
          planner.plan(static_cast<Program>(which), layers[i % layers.size()].data());
        return 0;
      }
  stop("no such case or program");
}

}  // namespace

int main(int count, char **words) {
  const std::vector<std::string> arguments(words + 1, words + count);
  const std::string what = arguments.empty() ? "" : arguments[0];
  if (what == "check" && arguments.size() == 2) return check(arguments[1]);
  if (what == "faster" && arguments.size() == 1) return faster();
  if (what == "measure" && arguments.size() == 3) return measure_all(arguments[1], arguments[2]);
  if (what == "once" && arguments.size() == 5)
    return once(arguments[1], arguments[2], arguments[3], std::atoi(arguments[4].c_str()));
  stop("check VECTORS, faster, measure LOADS COMPILER, or once LOADS CASE PROGRAM N");
}
