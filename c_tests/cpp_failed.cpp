// Reads the value of a failed result, in the way that its argument says: stops a debug build, and is T{} under NDEBUG.
#include "eplb.hpp"

#include <cstdio>
#include <cstring>

int main(int, char **arguments) {
  eplb::result<std::uint64_t> failed = eplb::digest({}, {});
  if (failed) return 1;
  std::uint64_t read = 7;
  if (std::strcmp(arguments[1], "value") == 0) read = failed.value();
  if (std::strcmp(arguments[1], "star") == 0) read = *failed;
  if (std::strcmp(arguments[1], "arrow") == 0) read = eplb::result<eplb::layout>(failed.status())->size;
  std::printf("read %llu\n", static_cast<unsigned long long>(read));
}
