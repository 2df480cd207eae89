// ideal: what this machine gives to work that shares nothing: the same pure-C loop in one process, then in N at once.
//
// Prints one line of JSON. `speedup` is N times the time of one, divided by the time of all: N on a machine whose cores
// are independent, less where they share a clock, a core or a host. No Python program can do better; the demo's CPU
// lane is measured against it.
//
//   ideal [N]      N: processes, default: the cores this process may use
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <vector>

namespace {

// Dependent integer work that no compiler can shorten and no cache can miss.
uint64_t Spin(uint64_t rounds) {
  uint64_t x = 88172645463325252u;
  for (uint64_t i = 0; i < rounds; ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
  }
  return x;
}

// Seconds for `processes` of them, started together, to do `rounds` each.
double Seconds(int processes, uint64_t rounds) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    const pid_t child = fork();
    if (child < 0) {
      perror("ideal: fork");
      exit(1);
    }
    if (child == 0) _exit(Spin(rounds) == 0);  // never zero: the result is used
    children.push_back(child);
  }
  bool good = true;
  for (const pid_t child : children) {
    int status = 0;
    good = waitpid(child, &status, 0) == child && status == 0 && good;
  }
  if (!good) {
    fprintf(stderr, "ideal: a process failed\n");
    exit(1);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int AllowedCores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const int processes = argc > 1 ? atoi(argv[1]) : AllowedCores();
  if (processes < 1 || processes > 1024) {
    fprintf(stderr, "ideal: processes: from 1 to 1024\n");
    return 2;
  }
  constexpr uint64_t kRounds = 600'000'000;
  const double one = Seconds(1, kRounds);
  const double all = Seconds(processes, kRounds);
  printf("{\"processes\":%d,\"one_seconds\":%.4f,\"all_seconds\":%.4f,\"speedup\":%.4f}\n", processes, one, all,
         processes * one / all);
  return 0;
}
