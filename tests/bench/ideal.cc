// ideal: what this machine gives to work that shares nothing: the same plain C++ loop in one process, then in N at
// once.
//
// Prints one line of JSON. `speedup` is N times the time of one, divided by the time of all: N on a machine whose cores
// are independent, less where they share a clock, a core or a host. The demo's CPU lane is measured against it. The
// loop shrinks images, like the lane's: it keeps a core as busy as Python does. A chain of operations that wait for
// each other would not feel a neighbour on the core's other hardware thread, which takes up to a third from real work.
// One and all take turns, so that a machine that changes meanwhile changes for both.
//
//   ideal [N]      N: processes, default: the cores this process may use
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace {

// A weighted mean of the pixels around each, first along the rows and then down the columns, as an image library does
// it.
uint64_t ShrinkImages(int images) {
  constexpr int kWidth = 640, kHeight = 480, kSmall = 128, kColors = 3;
  constexpr int kTaps = 10, kStepX = kWidth / kSmall;
  std::vector<uint8_t> image(kWidth * kHeight * kColors), rows(kSmall * kHeight * kColors);
  for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
  uint64_t sum = 1;
  for (int done = 0; done < images; ++done) {
    image[done % image.size()] ^= static_cast<uint8_t>(sum);  // another image than the last, so none is left out
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kSmall; ++x) {
        for (int color = 0; color < kColors; ++color) {
          int weighted = 0;
          for (int tap = 0; tap < kTaps; ++tap) {
            const int from = std::min(x * kStepX + tap, kWidth - 1);
            weighted += image[(y * kWidth + from) * kColors + color] * (kTaps - tap);
          }
          rows[(y * kSmall + x) * kColors + color] = static_cast<uint8_t>(weighted >> 6);
        }
      }
    }
    for (int y = 0; y < kSmall; ++y) {
      for (int i = 0; i < kSmall * kColors; ++i) {
        int weighted = 0;
        for (int tap = 0; tap < kTaps; ++tap) {
          const int from = std::min(y * kHeight / kSmall + tap, kHeight - 1);
          weighted += rows[from * kSmall * kColors + i] * (kTaps - tap);
        }
        sum += weighted >> 6;
      }
    }
  }
  return sum;
}

// Seconds for `processes` of them, started together, to shrink so many images each.
double Seconds(int processes, int images) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    const pid_t child = fork();
    if (child < 0) {
      perror("ideal: fork");
      exit(1);
    }
    if (child == 0) _exit(ShrinkImages(images) == 0);  // never zero: the result is used
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
  constexpr int kTurns = 4;
  constexpr int kImages = 150;
  double one = 0;
  double all = 0;
  for (int turn = 0; turn < kTurns; ++turn) {
    one += Seconds(1, kImages);
    all += Seconds(processes, kImages);
  }
  printf("{\"processes\":%d,\"one_seconds\":%.4f,\"all_seconds\":%.4f,\"speedup\":%.4f}\n", processes, one, all,
         processes * one / all);
  return 0;
}
