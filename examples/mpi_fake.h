/* What examples/mpi.c pretends to have: arguments, tokens and weights. An engine has its own. */
#ifndef EPLB_EXAMPLE_MPI_FAKE_H
#define EPLB_EXAMPLE_MPI_FAKE_H

#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  WINDOWS = 4, /* that the tracker keeps, and that pass between two rebalances */
  STEPS = 8,   /* of a window */
  MiB = 1 << 20
};

typedef struct config {
  uint32_t layers, experts, slots, gpus, nodes, rebalances;
  uint32_t budget;       /* slots that may change in a layer and rebalance; 0: no limit */
  uint32_t max_replicas; /* of an expert: the width of the routing table, which grows with GPUs x experts */
  uint32_t spare;        /* experts of a layer that a GPU can receive beside its slots */
  uint32_t expert_bytes; /* of the fake weights */
  uint32_t shard;        /* 1: a rank plans its share of the layers, and the rows are gathered */
  uint32_t corrupt_rank, corrupt_weight; /* a rank that goes wrong on purpose, counted from 1; 0: none */
} config;

/* ---- failing ----------------------------------------------------------------------------------------------------- */

/* This rank alone is in trouble: the others cannot know. */
static void stop(const char *what) {
  fprintf(stderr, "mpi: %s\n", what);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

/* What is wrong with the arguments, or NULL. */
static const char *fault_of(const config *is, int ranks) {
  if (is->layers == 0 || is->experts == 0 || is->gpus == 0 || is->nodes == 0 || is->max_replicas == 0)
    return "a size is 0";
  if (is->slots < is->experts || is->slots % is->gpus != 0)
    return "--slots: at least --experts, and a multiple of --gpus";
  if (is->gpus % (uint32_t)ranks != 0) return "--gpus: a multiple of the ranks";
  if (is->expert_bytes < 8 || is->expert_bytes % 8 != 0 || is->expert_bytes > 64 * MiB)
    return "--expert-bytes: a multiple of 8, at most 64 MiB";
  if (is->max_replicas < (is->slots + is->experts - 1) / is->experts)
    return "--max-replicas: at least --slots / --experts, rounded up";
  int *largest, found;
  MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &largest, &found);
  if (found && (uint64_t)is->layers * is->slots > (uint64_t)*largest) return "more layers x slots than MPI has tags";
  return NULL;
}

static void read_arguments(config *is, int argc, char **argv) {
  struct {
    const char *name;
    uint32_t *value;
  } names[] = {{"--layers", &is->layers},         {"--experts", &is->experts},
               {"--slots", &is->slots},           {"--gpus", &is->gpus},
               {"--nodes", &is->nodes},           {"--rebalances", &is->rebalances},
               {"--budget", &is->budget},         {"--spare", &is->spare},
               {"--max-replicas", &is->max_replicas},
               {"--expert-bytes", &is->expert_bytes}, {"--corrupt-rank", &is->corrupt_rank},
               {"--corrupt-weight", &is->corrupt_weight}};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--shard") == 0) {
      is->shard = 1;
      continue;
    }
    size_t n = 0, count = sizeof names / sizeof *names;
    while (n < count && strcmp(argv[i], names[n].name) != 0) n++;
    char *end = NULL;
    unsigned long value = n < count && i + 1 < argc ? strtoul(argv[i + 1], &end, 10) : 0;
    if (end == NULL || end == argv[i + 1] || *end != '\0' || value > 1u << 30)
      stop("an argument that is not known, or without its number");
    /* ranks are counted from 0, and 0 is none here */
    *names[n].value = (uint32_t)value + (names[n].value == &is->corrupt_rank || names[n].value == &is->corrupt_weight);
    i++;
  }
}

/* ---- tokens and weights ------------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t x) { /* splitmix64 */
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}
static uint64_t hash4(uint64_t a, uint64_t b, uint64_t c, uint64_t d) { return mix(mix(mix(mix(a) ^ b) ^ c) ^ d); }

/* Many cold experts and a few hot ones, up to 5 times the mean. */
static uint32_t skewed(uint64_t h) {
  uint64_t u = h & 0xffff, power = u;
  for (int i = 0; i < 4; i++) power = (power * u) >> 16;
  return 12 + (uint32_t)((power * 280) >> 16);
}

/* How many tokens an expert is worth in a window: two thirds last, the rest drifts from one epoch to the next. */
static uint32_t popularity(uint32_t layer, uint32_t expert, uint32_t window) {
  uint32_t epoch = window / WINDOWS, part = window % WINDOWS;
  uint32_t lasting = skewed(hash4(1, layer, expert, 0));
  uint32_t old = skewed(hash4(2, layer, expert, epoch)), new = skewed(hash4(2, layer, expert, epoch + 1));
  return (2 * lasting + (old * (WINDOWS - part) + new * part) / WINDOWS) / 3;
}

static uint64_t weight(uint32_t layer, uint32_t expert, size_t i) {
  return ((uint64_t)layer << 48 | (uint64_t)expert << 32) + i * 0x9e3779b97f4a7c15u;
}

static const uint64_t HASH_START = 0xcbf29ce484222325u;
static uint64_t hash_words(uint64_t hash, const void *words, size_t count) {
  const unsigned char *at = words;
  for (size_t i = 0; i < count; i++, at += sizeof(uint32_t)) {
    uint32_t word;
    memcpy(&word, at, sizeof word);
    hash = (hash ^ word) * 0x100000001b3u;
  }
  return hash;
}

#endif
