/* A program that loads what it calls: dlopen, then neighbours(). It knows nothing of eplb. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  int (*neighbours)(void);
  void *plugin, *symbol;
  if (argc != 2) return 2;
  plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  symbol = plugin != NULL ? dlsym(plugin, "neighbours") : NULL;
  if (symbol == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  memcpy(&neighbours, &symbol, sizeof neighbours); /* an object pointer is none to a function in C */
  return neighbours();
}
