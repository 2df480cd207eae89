// rates: no-op tasks a second from one client: by calls (64 outstanding), by a stream
// with a task a message (window 256), and by one with 64 tasks a message (window 1024).
//
// Prints one line of JSON: {"unary": tasks/s, "stream": tasks/s, "batched": tasks/s}. Run it against gild-server and
// against echo_server in turns, and take the ratio (rates.py). `gild bench` is the same load generator; this one asks
// echo_server, too, which has no GetInfo. Exits 1 when a task did not succeed.
//
//   rates ADDRESS TAG [SECONDS]      TAG: io or cpu; 2
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "client/bench/load.h"

namespace {

using gild::bench::Figures;

struct Kind {
  const char* name;
  gild::bench::Mode mode;
  size_t outstanding;
  size_t batch;
};
constexpr Kind kKinds[] = {
    {"unary", gild::bench::Mode::kUnary, 64, 1},
    {"stream", gild::bench::Mode::kBatched, 256, 1},
    {"batched", gild::bench::Mode::kBatched, 1024, 64},
};

bool AllSucceeded(const Figures& figures) {
  return figures.endings.count(gild::v1::SUCCEEDED) != 0 && figures.endings.at(gild::v1::SUCCEEDED) == figures.sent;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || (std::strcmp(argv[2], "io") != 0 && std::strcmp(argv[2], "cpu") != 0)) {
    std::fprintf(stderr, "usage: rates ADDRESS io|cpu [SECONDS]\n");
    return 2;
  }
  gild::bench::LoadOptions options;
  options.address = argv[1];
  options.length_ns = static_cast<int64_t>((argc > 3 ? std::atof(argv[3]) : 2.0) * gild::bench::kNsPerSecond);
  options.warm_up_ns = gild::bench::kNsPerSecond / 10;
  gild::v1::Task task;
  task.set_tag(std::strcmp(argv[2], "io") == 0 ? gild::v1::IO : gild::v1::CPU);
  task.mutable_source()->set_code("pass");
  options.tasks = {task};
  bool all_succeeded = true;
  for (const Kind& kind : kKinds) {
    options.mode = kind.mode;
    options.outstanding = kind.outstanding;
    options.batch = kind.batch;
    const Figures figures = gild::bench::Load(options).Take();
    all_succeeded = all_succeeded && AllSucceeded(figures);
    std::printf("%s\"%s\": %.0f", &kind == kKinds ? "{" : ", ", kind.name, figures.rate);
  }
  std::printf("}\n");
  return all_succeeded ? 0 : 1;
}
